"""Who is calling: the access key of a request, its signature, and the policies of its owner."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from botocore.auth import HmacV1QueryAuth, S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials
from moto.core.responses import BaseResponse
from moto.iam.models import iam_backends
from moto.sts.models import sts_backends

from .policy import ContextValue, Document, parse

PARTITION = "aws"
CLOCK_SKEW = timedelta(minutes=15)


class CredentialError(Exception):
    """The caller could not be authenticated; *kind* selects the service's error code."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Caller:
    arn: str
    account: str
    policies: tuple[Document, ...] = ()
    limits: tuple[Document, ...] = ()
    """Permissions boundary and session policy."""
    context: Mapping[str, ContextValue] = field(default_factory=dict)


ANONYMOUS = Caller("*", "")


@dataclass(frozen=True, slots=True)
class PresentedCredentials:
    """The credentials of a request, from its Authorization header or a presigned URL."""

    key_id: str
    token: str | None
    signature: str
    query: dict[str, str]


def presented_credentials(response: BaseResponse) -> PresentedCredentials | None:
    """Return the credentials of the request, or None if it is unsigned."""
    query = dict(parse_qsl(urlsplit(response.uri).query, keep_blank_values=True))
    header = response.headers.get("Authorization", "")
    signed = re.search(r"Credential=([^/]+)/.*Signature=([0-9a-f]+)", header)
    if signed:
        return PresentedCredentials(signed[1], response.headers.get("X-Amz-Security-Token"), signed[2], {})
    if "X-Amz-Signature" in query:
        key_id = query["X-Amz-Credential"].split("/")[0]
        return PresentedCredentials(
            key_id, query.get("X-Amz-Security-Token"), query["X-Amz-Signature"], query
        )
    if "AWSAccessKeyId" in query:  # boto3's default for S3 is still this older scheme
        token = query.get("x-amz-security-token")
        return PresentedCredentials(query["AWSAccessKeyId"], token, query["Signature"], query)
    return None


def authenticate(response: BaseResponse, presented: PresentedCredentials) -> Caller:
    """Return the caller whose key signed this request. Raises CredentialError."""
    credentials, caller = _look_up(presented, response.current_account)
    if _expected_signature(response, presented, credentials) != presented.signature:
        raise CredentialError(
            "signature",
            "The request signature we calculated does not match the signature you provided. Check your "
            "AWS Secret Access Key and signing method. Consult the service documentation for details.",
        )
    return caller


def _expected_signature(
    response: BaseResponse, presented: PresentedCredentials, credentials: Credentials
) -> str:
    if "AWSAccessKeyId" in presented.query:
        return _version_2(response, presented.query, credentials)
    query = urlsplit(response.uri).query
    if presented.query:
        scope, signed = presented.query["X-Amz-Credential"], presented.query["X-Amz-SignedHeaders"]
        moment, life = presented.query["X-Amz-Date"], timedelta(seconds=int(presented.query["X-Amz-Expires"]))
        query = "&".join(part for part in query.split("&") if not part.startswith("X-Amz-Signature="))
    else:
        parts = dict(re.findall(r"(\w+)=([^,\s]+)", response.headers["Authorization"]))
        scope, signed = parts["Credential"], parts["SignedHeaders"]
        moment, life = response.headers.get("X-Amz-Date", ""), CLOCK_SKEW
    _check_age(datetime.strptime(moment, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC), life)
    request = AWSRequest(
        method=response.method,
        url=f"{response.raw_path}?{query}" if query else response.raw_path,
        data=_body(response),
        headers={
            name: value for name, value in response.headers.items() if name.lower() in signed.split(";")
        },
    )
    request.context["timestamp"] = moment
    _, _, region, service, _ = scope.split("/")
    kind = S3SigV4QueryAuth if presented.query else S3SigV4Auth if service == "s3" else SigV4Auth
    signer = kind(credentials, service, region)
    return str(signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request))


def _body(response: BaseResponse) -> bytes | str:
    """Return the body as it was signed: werkzeug keeps only the fields of a form."""
    form = response.normalized_request.form
    return urlencode(list(form.items(multi=True))) if form else response.raw_body


def _version_2(response: BaseResponse, query: dict[str, str], credentials: Credentials) -> str:
    """Return the version 2 signature of a presigned URL, still boto3's default for S3."""
    _check_age(datetime.fromtimestamp(int(query["Expires"]), UTC), timedelta(0))
    headers = HTTPHeaders()
    for name, value in query.items():
        if name.lower().startswith("x-amz-") or name.lower() in ("content-type", "content-md5"):
            headers[name] = value
    kept = urlencode({name: value for name, value in query.items() if name not in ("Signature", "Expires")})
    url = urlsplit(f"{response.raw_path}?{kept}")
    signer: Any = HmacV1QueryAuth(credentials)
    signer._get_date = lambda: query["Expires"]
    return str(signer.get_signature(response.method, url, headers, auth_path=response.raw_path))


def _check_age(signed: datetime, life: timedelta) -> None:
    """Raise CredentialError if the signature is older than *life*."""
    now = datetime.now(UTC)
    if now > signed + life:
        raise CredentialError(
            "signature",
            f"Signature expired: {signed:%Y%m%dT%H%M%SZ} is now earlier than {now - life:%Y%m%dT%H%M%SZ}",
        )


def _look_up(presented: PresentedCredentials, account: str) -> tuple[Credentials, Caller]:
    sessions = sts_backends[account][PARTITION].assumed_roles
    session = next((one for one in sessions if one.access_key_id == presented.key_id), None)
    if session:
        if presented.token != session.session_token:
            raise CredentialError("unknown key", "The security token included in the request is invalid.")
        if session.expiration.replace(tzinfo=UTC) < datetime.now(UTC):
            raise CredentialError("expired", "The security token included in the request is expired")
        return (
            Credentials(session.access_key_id, session.secret_access_key, session.session_token),
            _role_session(session),
        )
    backend = iam_backends[account][PARTITION]
    for user in backend.users.values():
        for key in user.access_keys:
            if key.access_key_id == presented.key_id:
                return Credentials(key.access_key_id, key.secret_access_key), _user(backend, user)
    raise CredentialError("unknown key", "The security token included in the request is invalid.")


def _role_session(session: Any) -> Caller:
    backend = iam_backends[session.account_id][PARTITION]
    role = backend.get_role_by_arn(session.role_arn)
    boundary = (
        (_document(backend.get_policy(role.permissions_boundary_arn)),)
        if role.permissions_boundary_arn
        else ()
    )
    return Caller(
        session.arn,
        session.account_id,
        _policies(role),
        (*boundary, *((parse(session.policy),) if session.policy else ())),
        {
            "aws:PrincipalArn": role.arn,
            "aws:PrincipalAccount": session.account_id,
            "aws:PrincipalType": "AssumedRole",
            "aws:userid": session.user_id,
            **{f"aws:PrincipalTag/{tag['Key']}": tag["Value"] for tag in role.tags or ()},
            **getattr(session, "localaws_context", {}),
        },
    )


def remember_context(account: str, key_id: str, context: Mapping[str, ContextValue]) -> None:
    """Add condition keys to every call of the session of *key_id*."""
    session: Any = sts_backends[account][PARTITION].get_assumed_role_from_access_key(key_id)
    session.localaws_context = dict(context)


def _user(backend: Any, user: Any) -> Caller:
    return Caller(
        user.arn,
        backend.account_id,
        _policies(user, *backend.get_groups_for_user(user.name)),
        context={
            "aws:PrincipalArn": user.arn,
            "aws:PrincipalAccount": backend.account_id,
            "aws:PrincipalType": "User",
            "aws:userid": user.id,
            "aws:username": user.name,
        },
    )


def _policies(*holders: Any) -> tuple[Document, ...]:
    inline = (parse(text) for holder in holders for text in holder.policies.values())
    managed = (_document(policy) for holder in holders for policy in holder.managed_policies.values())
    return (*inline, *managed)


def _document(managed: Any) -> Document:
    return parse(next(version.document for version in managed.versions if version.is_default))
