"""The hook into moto that allows or refuses each call, with the error of the service that was called."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from moto.core import errors
from moto.core.authorization import ActionAuthenticatorMixin
from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult, BaseResponse
from moto.core.utils import get_service_model
from moto.iam.access_control import PermissionResult
from moto.s3.models import FakeBucket
from moto.sns.models import sns_backends
from werkzeug.exceptions import HTTPException

from ..moto_client import ENGINE_KEY_ID
from ..settings import OPERATOR_KEY_ID
from .calls import ServiceCall, describe_call
from .identity import ANONYMOUS, Caller, CredentialError, authenticate, presented_credentials
from .object_requests import object_requests
from .on_behalf import acting, note_requester
from .passed_roles import passed_roles
from .policy import AccessRequest, ContextValue, Decision, evaluate
from .resources import find_key, find_secret, resource_policy, version_keys

UNSIGNED = {"AssumeRoleWithWebIdentity", "AssumeRoleWithSAML"}
"""Operations that carry their own proof of identity instead of a signature."""


def install() -> None:
    """Authorize every call here: moto ignores resources, conditions and resource policies."""
    ActionAuthenticatorMixin._authenticate_and_authorize_action = _authorize  # type: ignore[method-assign, assignment]  # a hook
    # moto evaluates bucket policies again without conditions: one that requires TLS would refuse every call.
    FakeBucket.get_permission = lambda *_: PermissionResult.PERMITTED  # type: ignore[method-assign]  # a hook
    # moto warns about error codes that a service's model does not list. No model lists these.
    errors.COMMON_ERROR_CODES.extend({code for codes in _CODES.values() for code in codes})


def _authorize(response: BaseResponse, _request_class: type, resource: str = "*") -> None:
    presented = presented_credentials(response)
    if presented and presented.key_id == OPERATOR_KEY_ID:
        note_requester(None)
        return
    if presented and presented.key_id == ENGINE_KEY_ID:
        if on_behalf := acting():
            caller = on_behalf.caller
            via: dict[str, ContextValue] = {
                "aws:ViaAWSService": "true",
                "aws:CalledVia": (on_behalf.service,),
            }
            _require(
                response,
                describe_call(response, resource),
                replace(caller, context={**caller.context, **via}),
            )
        return
    call = describe_call(response, resource)
    if presented is None and call.operation in UNSIGNED:
        return
    if presented is None and call.service != "s3":
        raise _refusal(response, "unsigned", "Request is missing Authentication Token")
    try:
        caller = authenticate(response, presented) if presented else ANONYMOUS
    except CredentialError as error:
        raise _refusal(response, error.kind, str(error)) from None
    note_requester(caller)
    if call.operation == "GetCallerIdentity":  # allowed even if a policy denies it
        return
    if call.service == "secretsmanager" and call.operation == "UpdateSecret" and "KmsKeyId" in call.params:
        response.localaws_reencrypts = _reencrypts(call, caller)  # type: ignore[attr-defined]  # for services/secretsmanager.py
    _require(response, call, caller)


def _require(response: BaseResponse, call: ServiceCall, caller: Caller) -> None:
    for request, message in _requests(call, caller, response.headers):
        decision = decide(caller, request)
        if decision is not Decision.ALLOWED:
            raise _refusal(response, "denied", message or _message(caller, request, decision))


def decide(caller: Caller, request: AccessRequest) -> Decision:
    """Decide *request* by the policies of the caller and of the resource."""
    return evaluate(
        caller.policies,
        request,
        limits=caller.limits,
        resource_policy=resource_policy(request.resource),
        resource_decides=request.action.startswith(("kms:", "sts:AssumeRole"))
        and request.resource != "*"
        and ":alias/" not in request.resource,  # an alias has no policy of its own
    )


def _requests(
    call: ServiceCall, caller: Caller, headers: Mapping[str, str]
) -> Iterator[tuple[AccessRequest, str]]:
    """Yield each request that must be allowed for *call*, and the service's own error message, if any."""
    for resource in call.resources():
        context = {**call.context(resource), **caller.context}
        yield AccessRequest(call.action, resource, caller.arn, context), ""
        if call.service == "sns" and call.operation in ("Publish", "PublishBatch"):
            yield from _topic_key_requests(call, resource, caller, context)
        if call.service == "secretsmanager":
            yield from _key_requests(call, resource, caller, context, headers)
        elif call.service == "s3":
            for request in object_requests(call, resource, caller.arn, context, headers):
                yield request, ""

    for role, service in passed_roles(call):
        yield (
            AccessRequest(
                "iam:PassRole", role, caller.arn, {**caller.context, "iam:PassedToService": service}
            ),
            "",
        )


def _topic_key_requests(
    call: ServiceCall, topic: str, caller: Caller, context: dict[str, Any]
) -> Iterator[tuple[AccessRequest, str]]:
    """Yield what a publisher to an encrypted topic needs of its key.

    https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html#sns-what-permissions-for-sse
    """
    found = sns_backends[call.account][call.region].topics.get(topic)
    key = (
        find_key(call.account, call.region, found.kms_master_key_id)
        if found and found.kms_master_key_id
        else None
    )
    if key is None or any(alias.startswith("alias/aws/") for alias in key.aliases):
        return
    via = {
        **{name: value for name, value in context.items() if not name.startswith("sns:")},
        "aws:ViaAWSService": "true",
        "aws:CalledVia": ("sns.amazonaws.com",),
        "kms:ViaService": f"sns.{call.region}.amazonaws.com",
        "kms:CallerAccount": call.account,
        "kms:EncryptionContext:aws:sns:topicArn": topic,
    }
    for action in ("kms:GenerateDataKey", "kms:Decrypt"):
        yield AccessRequest(action, key.arn, caller.arn, via), ""


READS_VALUE = {"GetSecretValue"}
WRITES_VALUE = {"CreateSecret", "PutSecretValue"}


def _key_requests(
    call: ServiceCall, resource: str, caller: Caller, context: dict[str, Any], headers: Mapping[str, str]
) -> Iterator[tuple[AccessRequest, str]]:
    """Yield what Secrets Manager does with a customer managed key under the caller's permissions.

    https://docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html
    """
    params = call.params
    if call.operation == "BatchGetSecretValue":
        for each in params.get("SecretIdList") or ["*"]:
            one = ServiceCall(
                call.service, "GetSecretValue", {"SecretId": each}, call.account, call.region, "*"
            )
            yield from _requests(one, caller, headers)
        return
    updates = (
        call.operation == "UpdateSecret" and {"SecretString", "SecretBinary", "KmsKeyId"} & params.keys()
    )
    writes = call.operation in WRITES_VALUE or updates
    if not writes and call.operation not in READS_VALUE:
        return
    secret = find_secret(call.account, call.region, params.get("SecretId", ""))
    key_ids: tuple[str, ...] = (params.get("KmsKeyId") or (getattr(secret, "kms_key_id", None) or ""),)
    if secret is not None and not writes:
        key_ids = version_keys(secret, params.get("VersionId"), params.get("VersionStage"))
    needed = [
        [
            AccessRequest(action, key.arn, caller.arn, _via(call, resource, key, context))
            for action in (("kms:GenerateDataKey", "kms:Decrypt") if writes else ("kms:Decrypt",))
        ]
        for key_id in key_ids
        if (key := _customer_key(call, key_id)) is not None
    ]
    if len(needed) < len(key_ids):
        return  # everybody in the account can use AWS's own key
    # A version under several keys can be decrypted with any one of them.
    usable = (each for each in needed if all(decide(caller, one) is Decision.ALLOWED for one in each))
    for request in next(usable, needed[0]):
        yield request, "Access to KMS is not allowed"


def _reencrypts(call: ServiceCall, caller: Caller) -> bool:
    """Return whether UpdateSecret re-encrypts existing versions with the new key; it is silent otherwise.

    That needs `kms:Encrypt` on the new key and `kms:Decrypt` on the previous one.
    https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_UpdateSecret.html
    """
    secret = find_secret(call.account, call.region, call.params.get("SecretId", ""))
    resource = call.resources()[0]
    before = getattr(secret, "kms_key_id", None) or ""
    needed = [("kms:Encrypt", call.params["KmsKeyId"]), ("kms:Decrypt", before)]
    context = {**call.context(resource), **caller.context}
    return all(
        decide(caller, AccessRequest(action, key.arn, caller.arn, _via(call, resource, key, context)))
        is Decision.ALLOWED
        for action, key_id in needed
        if (key := _customer_key(call, key_id)) is not None
    )


def _customer_key(call: ServiceCall, key_id: str) -> Any | None:
    """Return the key unless it is AWS's own."""
    key = find_key(call.account, call.region, key_id) if key_id else None
    return None if key is None or any(alias.startswith("alias/aws/") for alias in key.aliases) else key


def _via(call: ServiceCall, resource: str, key: Any, context: dict[str, Any]) -> dict[str, Any]:
    """Return the context of a request that Secrets Manager sends to KMS for the caller."""
    return {
        **{name: value for name, value in context.items() if not name.startswith("secretsmanager:")},
        "aws:ViaAWSService": "true",
        "aws:CalledVia": ("secretsmanager.amazonaws.com",),
        "kms:ViaService": f"secretsmanager.{call.region}.amazonaws.com",
        "kms:CallerAccount": call.account,
        "kms:ResourceAliases": tuple(key.aliases),
        "kms:EncryptionContext:SecretARN": resource,
        "kms:EncryptionContextKeys": ("SecretARN", "SecretVersionId"),
    }


def _message(caller: Caller, request: AccessRequest, decision: Decision) -> str:
    if caller is ANONYMOUS:
        return "Access Denied"
    why = (
        "with an explicit deny in a policy"
        if decision is Decision.EXPLICITLY_DENIED
        else f"because no identity-based policy allows the {request.action} action"
    )
    action, resource = request.action, request.resource
    return f"User: {caller.arn} is not authorized to perform: {action} on resource: {resource} {why}"


# --- errors, as each protocol has them -------------------------------------------------------------------

_CODES = {
    # kind: (JSON protocols, the others, EC2)
    "denied": ("AccessDeniedException", "AccessDenied", "UnauthorizedOperation"),
    "unknown key": ("UnrecognizedClientException", "InvalidClientTokenId", "AuthFailure"),
    "signature": ("InvalidSignatureException", "SignatureDoesNotMatch", "AuthFailure"),
    "expired": ("ExpiredTokenException", "ExpiredToken", "RequestExpired"),
    "unsigned": ("MissingAuthenticationTokenException", "MissingAuthenticationToken", "AuthFailure"),
}
_SERVICE_CODES = {
    ("s3", "unknown key"): "InvalidAccessKeyId",
    ("sns", "denied"): "AuthorizationError",
}


class _ServiceError(ServiceException):
    """Defined here: moto derives a service from the module name of its own exceptions."""


class _AccessDenied(HTTPException):
    """A complete error response: werkzeug uses all of it, moto's dispatcher `description` and `code`."""

    def __init__(self, status: int, headers: Mapping[str, str], body: Any) -> None:
        super().__init__(description=body)
        self.code = status
        self._headers = headers

    def get_headers(self, *_: Any, **__: Any) -> list[tuple[str, str]]:
        return list(self._headers.items())

    def get_body(self, *_: Any, **__: Any) -> str:
        return self.description or ""


def _refusal(response: BaseResponse, kind: str, message: str) -> _AccessDenied:
    """Return the error in the form that the service's clients understand."""
    model = get_service_model(response.boto3_service_name)
    protocol = response.determine_response_protocol(model)
    json, other, ec2 = _CODES[kind]
    speaks_json = protocol in ("json", "rest-json") and "awsQueryCompatible" not in model.metadata
    code = ec2 if protocol == "ec2" else json if speaks_json else other
    code = _SERVICE_CODES.get((model.service_name, kind), code)
    _, headers, body = response.serialized(ActionResult(_ServiceError(code, message)))
    response.response_headers.update(headers)  # moto's dispatcher sends these
    return _AccessDenied(400 if protocol == "json" else 403, headers, body)
