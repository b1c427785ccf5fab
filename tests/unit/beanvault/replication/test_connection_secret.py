"""Writing the connection secret: a failed test restores the previous one, the function's keys are kept."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from beanvault.replication.connection_secret import replace, store
from beanvault.replication.function import ReplicatorFunction
from tests.unit.beanvault.answers import Answer, playing

SECRET = "shop-connection"
TEXT = json.dumps(
    {"address": "https://vault.example", "auth": {"method": "token", "mount": "token", "token": "canary"}}
)
BEFORE, AFTER = "before-" + "0" * 32, "after-" + "0" * 32
DENIED = Answer({"Message": "no"}, 400, "AccessDeniedException")


def _described(version: str) -> Answer:
    return Answer({"VersionIdsToStages": {version: ["AWSCURRENT"]}})


@pytest.mark.parametrize(
    ("failure", "raised"),
    [
        (KeyboardInterrupt(), KeyboardInterrupt),
        (DENIED, ClientError),
    ],
    ids=["Ctrl-C", "denied"],
)
def test_the_previous_connection_is_restored_however_the_test_fails(
    failure: Any, raised: type[BaseException]
) -> None:
    moved: list[Answer | BaseException] = [Answer()]
    aws = playing(
        secrets_manager_DescribeSecret=[_described(BEFORE), _described(AFTER)],
        secrets_manager_GetSecretValue=[Answer({"SecretString": "{}"})],
        secrets_manager_PutSecretValue=[Answer({"VersionId": AFTER})],
        secrets_manager_UpdateSecretVersionStage=moved,
        lambda_GetFunctionConfiguration=[failure] * 9,
    )
    with pytest.raises(raised):
        replace(aws, SECRET, TEXT, ReplicatorFunction(aws, "shop-replicator"))
    assert moved == []


def _written(current: Answer) -> list[dict[str, Any]]:
    """Store the connection in a secret whose read answers *current*; return what was put."""
    aws = playing(
        secrets_manager_DescribeSecret=[_described(BEFORE)],
        secrets_manager_GetSecretValue=[current] * 9,
        secrets_manager_PutSecretValue=[Answer({"VersionId": AFTER})],
    )
    put: list[dict[str, Any]] = []
    aws.client("secretsmanager").meta.events.register(
        "provide-client-params.secrets-manager.PutSecretValue",
        lambda params, **_: put.append(json.loads(params["SecretString"])),
    )
    store(aws, SECRET, TEXT)
    return put


def test_the_functions_own_keys_are_kept() -> None:
    current = Answer({"SecretString": json.dumps({"address": "https://old", "hash_key": "kept"})})
    assert _written(current) == [{**json.loads(TEXT), "hash_key": "kept"}]


@pytest.mark.parametrize("code", ["AccessDeniedException", "DecryptionFailure", "ResourceNotFoundException"])
def test_a_value_that_cannot_be_read_is_overwritten(code: str) -> None:
    """Without permission to read, after the loss of its key, and for the first time."""
    assert _written(Answer({"Message": "no"}, 400, code)) == [json.loads(TEXT)]


def test_nothing_is_written_while_secrets_manager_fails() -> None:
    with pytest.raises(ClientError, match="InternalServiceError"):  # with 400, so that it isn't retried
        _written(Answer({"Message": "failure"}, 400, "InternalServiceError"))
