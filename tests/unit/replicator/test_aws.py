"""What AWS refuses becomes an error that says what to do, and never repeats a value."""

from __future__ import annotations

import traceback
from typing import Any, NoReturn

import boto3
import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, ParamValidationError
from botocore.stub import Stubber

from replicator.aws import call
from replicator.errors import TargetDenied, TargetError, TargetMissing, TargetThrottled, TargetUnavailable
from replicator.model import TargetSecret
from replicator.target import SecretsManagerTarget

VALUE = "ca" + "nary"
"""Not in one piece in the source, which tracebacks show."""


def refusing(code: str, status: int = 400) -> Any:
    def operation(**parameters: Any) -> NoReturn:
        message = f"1 validation error detected: Value {parameters!r} failed to satisfy constraint"
        answer = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
        raise ClientError(answer, "PutSecretValue")  # type: ignore[arg-type]  # as much of it as is read

    return operation


@pytest.mark.parametrize(
    ("code", "status", "error"),
    [
        ("ThrottlingException", 400, TargetThrottled),
        ("EncryptionFailure", 400, TargetDenied),
        ("ResourceNotFoundException", 400, TargetMissing),
        ("InternalServiceError", 500, TargetUnavailable),
        ("ServiceUnavailable", 503, TargetUnavailable),
        ("ValidationException", 400, TargetError),
        ("InvalidRequestException", 400, TargetError),
    ],
)
def test_a_refusal_is_named_for_what_to_do_and_shows_no_value(
    code: str, status: int, error: type[TargetError]
) -> None:
    with pytest.raises(TargetError) as caught:
        call(refusing(code, status), "PutSecretValue for shop/db", SecretString=VALUE)
    assert type(caught.value) is error
    assert "PutSecretValue for shop/db" in str(caught.value)
    assert VALUE not in "".join(traceback.format_exception(caught.value))


def test_a_missing_permission_is_reported_in_awss_words() -> None:
    def operation() -> NoReturn:
        message = "User: arn:aws:iam::1:role/r is not authorized to perform: secretsmanager:PutSecretValue"
        raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": message}}, "PutSecretValue")

    with pytest.raises(TargetDenied, match="not authorized to perform: secretsmanager:PutSecretValue"):
        call(operation, "PutSecretValue for shop/db")


def test_parameters_that_botocore_refuses_are_not_repeated() -> None:
    def operation(**parameters: Any) -> NoReturn:
        raise ParamValidationError(report=f"Invalid type for parameter SecretString, value: {parameters}")

    with pytest.raises(TargetError) as caught:
        call(operation, "PutSecretValue for shop/db", SecretString=VALUE)
    assert VALUE not in "".join(traceback.format_exception(caught.value))


def test_aws_that_does_not_answer_is_unavailable() -> None:
    def operation() -> NoReturn:
        raise ConnectTimeoutError(endpoint_url="https://secretsmanager.eu-central-1.amazonaws.com")

    with pytest.raises(TargetUnavailable, match="can't be reached"):
        call(operation, "ListSecrets for listing shop/")


def test_a_put_whose_version_is_not_current_makes_it_current() -> None:
    client = boto3.client(
        "secretsmanager", "eu-central-1", aws_access_key_id="id", aws_secret_access_key="key"
    )
    version_id = "6f1bbb4e-7f0c-5d5e-9a44-51f0a7a0f1c7"
    with Stubber(client) as answers:
        answers.add_response("put_secret_value", {"VersionId": version_id})
        answers.add_response("update_secret_version_stage", {})
        secret = TargetSecret("shop/db", "arn:aws:secretsmanager:eu-central-1:1:secret:shop/db-AbCdEf", None)
        SecretsManagerTarget(client).put(secret, VALUE, version_id)
        answers.assert_no_pending_responses()
