"""The hook into moto that lets a call pass or refuses it, in the words of the service that was called."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from moto.core import errors
from moto.core.authorization import ActionAuthenticatorMixin
from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult, BaseResponse
from moto.core.utils import get_service_model
from moto.iam.access_control import PermissionResult
from moto.s3.models import FakeBucket
from werkzeug.exceptions import HTTPException

from ..moto_client import ENGINE_KEY_ID
from ..settings import OPERATOR_KEY_ID
from .calls import ServiceCall, describe
from .identity import ANONYMOUS, Caller, CredentialError, authenticate, presented
from .policy import AccessRequest, Decision, evaluate
from .resources import find_key, find_secret, resource_policy

UNSIGNED = {"AssumeRoleWithWebIdentity", "AssumeRoleWithSAML"}
"""Operations that bring their own proof of identity instead of a signature."""


def install() -> None:
    """Decide every call here. moto by itself knows neither resources nor conditions nor resource policies."""
    ActionAuthenticatorMixin._authenticate_and_authorize_action = _authorize  # type: ignore[method-assign, assignment]  # a hook
    # A bucket policy that asks for TLS made every object call 403: moto reads it again, without conditions.
    FakeBucket.get_permission = lambda *_: PermissionResult.PERMITTED  # type: ignore[method-assign]  # a hook
    # moto warns about error codes that a service's model does not list; no model lists these.
    errors.COMMON_ERROR_CODES.extend({code for codes in _CODES.values() for code in codes})


def _authorize(response: BaseResponse, _request_class: type, resource: str = "*") -> None:
    shown = presented(response)
    if shown and shown.key_id in (OPERATOR_KEY_ID, ENGINE_KEY_ID):
        return
    call = describe(response, resource)
    if shown is None and call.operation in UNSIGNED:
        return
    if shown is None and call.service != "s3":
        raise _refusal(response, "unsigned", "Request is missing Authentication Token")
    try:
        caller = authenticate(response, shown) if shown else ANONYMOUS
    except CredentialError as error:
        raise _refusal(response, error.kind, str(error)) from None
    if call.operation == "GetCallerIdentity":  # allowed even where a policy denies it
        return
    for request, because in _requests(call, caller):
        decision = decide(caller, request)
        if decision is not Decision.ALLOWED:
            raise _refusal(response, "denied", because or _message(caller, request, decision))


def decide(caller: Caller, request: AccessRequest) -> Decision:
    """Decide *request* by the caller's policies and by the policy of the resource."""
    return evaluate(
        caller.policies,
        request,
        limits=caller.limits,
        resource_policy=resource_policy(request.resource),
        resource_decides=request.action.startswith(("kms:", "sts:AssumeRole")) and request.resource != "*",
    )


def _requests(call: ServiceCall, caller: Caller) -> Iterator[tuple[AccessRequest, str]]:
    """All that must be allowed for *call*, with the words of the refusal where the service has its own."""
    for resource in call.resources():
        context = {**call.context(resource), **caller.context}
        yield AccessRequest(call.action, resource, caller.arn, context), ""
        if call.service == "secretsmanager":
            yield from _secrets_manager(call, resource, caller, context)


READS_VALUE = {"GetSecretValue"}
WRITES_VALUE = {"CreateSecret", "PutSecretValue"}


def _secrets_manager(
    call: ServiceCall, resource: str, caller: Caller, context: dict[str, Any]
) -> Iterator[tuple[AccessRequest, str]]:
    """Secrets Manager uses a customer managed key with the caller's rights.

    https://docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html
    """
    params = call.params
    if call.operation == "BatchGetSecretValue":
        for each in params.get("SecretIdList") or ["*"]:
            one = ServiceCall(
                call.service, "GetSecretValue", {"SecretId": each}, call.account, call.region, "*"
            )
            yield from _requests(one, caller)
        return
    updates = (
        call.operation == "UpdateSecret" and {"SecretString", "SecretBinary", "KmsKeyId"} & params.keys()
    )
    writes = call.operation in WRITES_VALUE or updates
    if not writes and call.operation not in READS_VALUE:
        return
    secret = find_secret(call.account, call.region, params.get("SecretId", ""))
    key_id = params.get("KmsKeyId") or (getattr(secret, "kms_key_id", None) if secret else None)
    key = find_key(call.account, call.region, key_id) if key_id else None
    if key is None or any(alias.startswith("alias/aws/") for alias in key.aliases):
        return
    via = {
        **{name: value for name, value in context.items() if not name.startswith("secretsmanager:")},
        "aws:ViaAWSService": "true",
        "aws:CalledVia": ("secretsmanager.amazonaws.com",),
        "kms:ViaService": f"secretsmanager.{call.region}.amazonaws.com",
        "kms:CallerAccount": call.account,
        "kms:ResourceAliases": tuple(key.aliases),
        "kms:EncryptionContext:SecretARN": resource,
        "kms:EncryptionContextKeys": ("SecretARN", "SecretVersionId"),
    }
    for action in ("kms:GenerateDataKey", "kms:Decrypt") if writes else ("kms:Decrypt",):
        yield AccessRequest(action, key.arn, caller.arn, via), "Access to KMS is not allowed"


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


# --- refusals, as each protocol spells them -----------------------------------------------------------------

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
    """Defined here because moto looks for a service of the name of the module of its own exceptions."""


class _AccessDenied(HTTPException):
    """An error in its final form: werkzeug takes all of it, moto's dispatcher `description` and `code`."""

    def __init__(self, status: int, headers: Mapping[str, str], body: Any) -> None:
        super().__init__(description=body)
        self.code = status
        self._headers = headers

    def get_headers(self, *_: Any, **__: Any) -> list[tuple[str, str]]:
        return list(self._headers.items())

    def get_body(self, *_: Any, **__: Any) -> str:
        return self.description or ""


def _refusal(response: BaseResponse, kind: str, message: str) -> _AccessDenied:
    """Return the refusal in the form that the service's own clients understand."""
    model = get_service_model(response.boto3_service_name)
    protocol = response.determine_response_protocol(model)
    json, other, ec2 = _CODES[kind]
    speaks_json = protocol in ("json", "rest-json") and "awsQueryCompatible" not in model.metadata
    code = ec2 if protocol == "ec2" else json if speaks_json else other
    code = _SERVICE_CODES.get((model.service_name, kind), code)
    _, headers, body = response.serialized(ActionResult(_ServiceError(code, message)))
    response.response_headers.update(headers)  # moto's dispatcher answers with these
    return _AccessDenied(400 if protocol == "json" else 403, headers, body)
