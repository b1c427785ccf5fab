"""STS GetWebIdentityToken and the account's switch for it, which moto lacks, and its endpoints' regions.

https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_outbound_token_claims.html
"""

from __future__ import annotations

import base64
import functools
import json
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult
from moto.iam.models import iam_backends
from moto.iam.responses import IamResponse
from moto.sts.responses import TokenResponse

ENDPOINT_HEADER = "X-Localaws-Endpoint"
"""The host of the endpoint that a request stands for, as this server has one address for all of AWS.

Without the header it is the endpoint of the region that the request is signed for.
"""

GLOBAL_ENDPOINT, GLOBAL_REGION = "sts.amazonaws.com", "us-east-1"

KEY_FILE = "sts-web-identity.pem"
"""In the home directory: the public keys, in place of the issuer's JWKS endpoint. First RS256, then ES384."""

CLAIMS = "https://sts.amazonaws.com/"


class _CallRefused(ServiceException):
    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)


_CallRefused.__module__ = TokenResponse.__module__  # where moto looks for the error's HTTP status


class _IamCallRefused(_CallRefused):
    """The same for an operation of IAM."""


_IamCallRefused.__module__ = IamResponse.__module__


class Issuer:
    """Signs the tokens of this run."""

    def __init__(self, home: Path) -> None:
        self.url = f"https://{uuid.uuid4()}.tokens.sts.global.api.aws"
        self.enabled = False
        self._rsa = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._ec = ec.generate_private_key(ec.SECP384R1())
        public = (key.public_key() for key in (self._rsa, self._ec))
        pem = (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        (home / KEY_FILE).write_bytes(b"".join(key.public_bytes(*pem) for key in public))

    def token(self, algorithm: str, claims: dict[str, Any]) -> str:
        header = {"alg": algorithm, "typ": "JWT", "kid": algorithm}
        signed = b".".join(_encoded(json.dumps(part).encode()) for part in (header, claims))
        if algorithm == "RS256":
            signature = self._rsa.sign(signed, padding.PKCS1v15(), hashes.SHA256())
        else:
            r, s = decode_dss_signature(self._ec.sign(signed, ec.ECDSA(hashes.SHA384())))
            signature = r.to_bytes(48, "big") + s.to_bytes(48, "big")
        return (signed + b"." + _encoded(signature)).decode()


def _encoded(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def install(home: Path) -> None:
    """Add GetWebIdentityToken and the three operations of outbound web identity federation."""
    issuer = Issuer(home)

    def get_web_identity_token(self: TokenResponse) -> ActionResult:
        if not issuer.enabled:
            raise _CallRefused(
                "OutboundWebIdentityFederationDisabledException",
                "Outbound web identity federation is not enabled for this account.",
            )
        seconds = self._get_int_param("DurationSeconds", 300)
        _, caller, account = self.backend.get_caller_identity(self.access_key, self.region)
        session = self.backend.get_assumed_role_from_access_key(self.access_key)
        now = int(time.time())
        if session and now + seconds > session.expiration.replace(tzinfo=UTC).timestamp():
            raise _CallRefused(
                "SessionDurationEscalationException",
                "The requested token duration would extend the session beyond its original expiration time.",
            )
        audience = self._get_param("Audience")
        principal = session.role_arn if session else caller
        tags = {tag["Key"]: tag["Value"] for tag in self._get_param("Tags") or []}
        about = {"aws_account": account, "source_region": self.region, "principal_id": principal}
        role_tags = _role_tags(account, principal)
        claims = {
            "iss": issuer.url,
            "aud": audience[0] if len(audience) == 1 else audience,
            "sub": principal,
            "iat": now,
            "exp": now + seconds,
            "jti": str(uuid.uuid4()),
            CLAIMS: about
            | ({"principal_tags": role_tags} if role_tags else {})
            | ({"request_tags": tags} if tags else {}),
        }
        token = issuer.token(self._get_param("SigningAlgorithm"), claims)
        expires = datetime.fromtimestamp(now + seconds, UTC)
        return ActionResult({"WebIdentityToken": token, "Expiration": expires})

    # Each switch is refused where it is set so already; the code on the wire is not the exception's name.
    def enable(_: IamResponse) -> ActionResult:
        if issuer.enabled:
            raise _IamCallRefused("FeatureEnabled", "Outbound identity federation is already enabled.")
        issuer.enabled = True
        return ActionResult({"IssuerIdentifier": issuer.url})

    def disable(_: IamResponse) -> ActionResult:
        _check_enabled(issuer)
        issuer.enabled = False
        return ActionResult({})

    def info(_: IamResponse) -> ActionResult:
        _check_enabled(issuer)
        return ActionResult({"IssuerIdentifier": issuer.url, "JwtVendingEnabled": issuer.enabled})

    _check_region()
    for holder, name, operation in (
        (TokenResponse, "get_web_identity_token", get_web_identity_token),
        (IamResponse, "enable_outbound_web_identity_federation", enable),
        (IamResponse, "disable_outbound_web_identity_federation", disable),
        (IamResponse, "get_outbound_web_identity_federation_info", info),
    ):
        setattr(holder, name, operation)


def _check_enabled(issuer: Issuer) -> None:
    if not issuer.enabled:
        raise _IamCallRefused("FeatureDisabled", "Outbound identity federation is not enabled.")


def _check_region() -> None:
    """Refuse GetCallerIdentity at an endpoint of another region than that of the signature's scope.

    The error is quoted in https://github.com/hashicorp/vault/pull/6268 and /pull/21960.
    """
    original = TokenResponse.get_caller_identity

    @functools.wraps(original)
    def get_caller_identity(self: TokenResponse) -> ActionResult:
        host = self.headers.get(ENDPOINT_HEADER)
        if host is not None:
            expected = GLOBAL_REGION if host == GLOBAL_ENDPOINT else host.split(".")[1]
            if self.region != expected:
                raise _CallRefused(
                    "SignatureDoesNotMatch",
                    f"Credential should be scoped to a valid region, not '{self.region}'. ",
                )
        return original(self)

    TokenResponse.get_caller_identity = get_caller_identity  # type: ignore[method-assign]  # a hook


def _role_tags(account: str, arn: str) -> dict[str, str]:
    roles = iam_backends[account]["aws"].get_roles()
    tags = next((role.tags for role in roles if role.arn == arn), None) or []
    return {tag["Key"]: tag["Value"] for tag in tags}
