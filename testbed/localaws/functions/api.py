"""Replaces moto's Lambda operations: Invoke runs our sandboxes instead of Docker; lost settings are kept."""

from __future__ import annotations

import base64
import functools
import json
from collections.abc import Mapping
from typing import Any

from moto.awslambda import urls
from moto.awslambda.exceptions import UnknownFunctionException
from moto.awslambda.models import LambdaBackend, LambdaFunction
from moto.awslambda.utils import get_backend
from moto.core.exceptions import JsonRESTError

from ..authorization import NotTrustedError
from ..settings import LocalAwsSettings
from . import network_interfaces
from .invocations import Function, Invoker, ThrottledError
from .runtime_api import Event
from .sandbox import Configuration

SETTINGS_THAT_MOTO_LOSES = ("DeadLetterConfig", "LoggingConfig")

_invoker: Invoker | None = None


def install(settings: LocalAwsSettings) -> None:
    """Run functions in the home directory, as clients of this server."""
    global _invoker
    _invoker = Invoker(settings.home, settings.endpoint)
    LambdaFunction.invoke = _invoke  # type: ignore[method-assign]  # a hook
    urls.url_paths["{0}/(?P<api_version>[^/]+)/account-settings/?$"] = _account_settings
    _keep_settings()
    _forget_deleted()


def _account_settings(_request: Any, _url: str, headers: Any) -> tuple[int, Any, str]:
    """Answer GetAccountSettings, which moto lacks, with the limits of an account that is not new."""
    limit = {"ConcurrentExecutions": 1000, "UnreservedConcurrentExecutions": 1000}
    return 200, headers, json.dumps({"AccountLimit": limit, "AccountUsage": {}})


def close() -> None:
    """Stop every process of a function."""
    if _invoker:
        _invoker.close()


def _refuse(code: str, message: str, status: int, **more: str) -> JsonRESTError:
    error = JsonRESTError(code, message)
    error.code = status
    error.description = json.dumps({"__type": code, "message": message, "Type": "User", **more})
    return error


def _invoke(
    self: LambdaFunction, body: Any, request_headers: Mapping[str, str], response_headers: dict[str, str]
) -> bytes:
    """Replaces moto's method, which needs Docker."""
    assert _invoker is not None  # noqa: S101  install() sets the hook after it
    payload = body.encode() if isinstance(body, str) else bytes(body or b"")
    try:
        json.loads(payload or b"{}")
    except ValueError as error:
        raise _refuse(
            "InvalidRequestContentException", f"Could not parse request body into json: {error}", 400
        ) from None
    event = Event(payload or b"{}", self.function_arn)
    kind = request_headers.get("X-Amz-Invocation-Type") or "RequestResponse"
    if kind == "DryRun":
        return b""
    if kind == "Event":
        _invoker.invoke_later(
            functools.partial(_look_up, self.account_id, self.region, self.function_arn), event
        )
        return b""
    try:
        report = _invoker.invoke(_function(self), event)
    except ThrottledError:
        raise _refuse(
            "TooManyRequestsException",
            "Rate Exceeded.",
            429,
            Reason="ReservedFunctionConcurrentInvocationLimitExceeded",
        ) from None
    except NotTrustedError as error:
        raise _refuse("AccessDeniedException", str(error), 403) from None
    if report.outcome.failed:
        response_headers["x-amz-function-error"] = "Unhandled"
    response_headers["x-amz-executed-version"] = _version(self)
    response_headers["x-amz-log-result"] = base64.b64encode(report.log.encode()[-4096:]).decode()
    return report.outcome.payload


def _look_up(account: str, region: str, arn: str) -> Function | None:
    try:
        return _function(get_backend(account, region).get_function(arn))
    except UnknownFunctionException:
        return None


def _version(function: LambdaFunction) -> str:
    return str(function.version) if function.function_arn.count(":") > 6 else "$LATEST"


def _function(function: LambdaFunction) -> Function:
    logging = _kept(function).get("LoggingConfig") or {}
    invoking = function.event_invoke_config[-1].config if function.event_invoke_config else {}
    configuration = Configuration(
        name=function.function_name,
        arn=function.function_arn,
        version=_version(function),
        region=function.region,
        handler=str(function.handler),
        runtime=str(function.run_time),
        role=function.role,
        code_sha256=function.code_sha_256,
        timeout=int(function.timeout),
        memory=int(function.memory_size),
        log_group=logging.get("LogGroup") or f"/aws/lambda/{function.function_name}",
        log_format=logging.get("LogFormat", "Text"),
        environment=tuple(sorted((key, str(value)) for key, value in function.environment_vars.items())),
    )
    reserved = function.reserved_concurrency
    return Function(
        configuration,
        function.code_bytes,
        reserved=None if reserved is None else int(reserved),
        retries=int(invoking.get("MaximumRetryAttempts", 2)),
        maximum_age=int(invoking.get("MaximumEventAgeInSeconds", 21600)),
        dead_letters=(_kept(function).get("DeadLetterConfig") or {}).get("TargetArn"),
    )


def _kept(function: LambdaFunction) -> dict[str, Any]:
    kept: dict[str, Any] = function.__dict__.setdefault("localaws_kept", {})
    return kept


def _keep_settings() -> None:
    """Keep DeadLetterConfig and LoggingConfig; moto's GetFunctionConfiguration does not return them."""
    make, update, show = (
        LambdaFunction.__init__,
        LambdaFunction.update_configuration,
        LambdaFunction.get_configuration,
    )

    @functools.wraps(make)
    def __init__(  # noqa: N807  the hook's own name
        self: LambdaFunction, account_id: str, spec: dict[str, Any], region: str, version: Any = 1
    ) -> None:
        make(self, account_id, spec, region, version)
        _kept(self).update({name: spec[name] for name in SETTINGS_THAT_MOTO_LOSES if name in spec})

    @functools.wraps(update)
    def update_configuration(self: LambdaFunction, config_updates: dict[str, Any]) -> dict[str, Any]:
        _kept(self).update(
            {name: config_updates[name] for name in SETTINGS_THAT_MOTO_LOSES if name in config_updates}
        )
        return update(self, config_updates)

    @functools.wraps(show)
    def get_configuration(self: LambdaFunction, on_create: bool = False) -> dict[str, Any]:
        return {**show(self, on_create), **_kept(self)}

    LambdaFunction.__init__ = __init__  # type: ignore[method-assign]  # a hook
    LambdaFunction.update_configuration = update_configuration  # type: ignore[method-assign]  # a hook
    LambdaFunction.get_configuration = get_configuration  # type: ignore[method-assign]  # a hook


def _forget_deleted() -> None:
    delete = LambdaBackend.delete_function

    @functools.wraps(delete)
    def delete_function(self: LambdaBackend, function_name: str, qualifier: str | None = None) -> None:
        function = self.get_function(function_name, qualifier)
        arn = function.function_arn
        delete(self, function_name, qualifier)
        if qualifier is None:
            network_interfaces.linger(function)
        if _invoker:
            _invoker.forget(arn)

    LambdaBackend.delete_function = delete_function  # type: ignore[method-assign]  # a hook
