"""Writing the connection secret: what isn't proven doesn't stay, and what the function keeps there does."""

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
    ("trouble", "raised"),
    [
        (KeyboardInterrupt(), KeyboardInterrupt),
        (DENIED, ClientError),
    ],
    ids=["Ctrl-C", "refused"],
)
def test_the_connection_before_is_back_whatever_ends_the_trial(
    trouble: Any, raised: type[BaseException]
) -> None:
    moved: list[Answer | BaseException] = [Answer()]
    aws = playing(
        secrets_manager_DescribeSecret=[_described(BEFORE), _described(AFTER)],
        secrets_manager_GetSecretValue=[Answer({"SecretString": "{}"})],
        secrets_manager_PutSecretValue=[Answer({"VersionId": AFTER})],
        secrets_manager_UpdateSecretVersionStage=moved,
        lambda_GetFunctionConfiguration=[trouble] * 9,
    )
    with pytest.raises(raised):
        replace(aws, SECRET, TEXT, ReplicatorFunction(aws, "shop-replicator"))
    assert moved == []


def _written(held: Answer) -> list[dict[str, Any]]:
    """Store the connection while reading the secret answers *held*; return what was put."""
    aws = playing(
        secrets_manager_DescribeSecret=[_described(BEFORE)],
        secrets_manager_GetSecretValue=[held] * 9,
        secrets_manager_PutSecretValue=[Answer({"VersionId": AFTER})],
    )
    put: list[dict[str, Any]] = []
    aws.client("secretsmanager").meta.events.register(
        "provide-client-params.secrets-manager.PutSecretValue",
        lambda params, **_: put.append(json.loads(params["SecretString"])),
    )
    store(aws, SECRET, TEXT)
    return put


def test_what_the_function_keeps_there_stays() -> None:
    held = Answer({"SecretString": json.dumps({"address": "https://old", "hash_key": "kept"})})
    assert _written(held) == [{**json.loads(TEXT), "hash_key": "kept"}]


@pytest.mark.parametrize("code", ["AccessDeniedException", "DecryptionFailure", "ResourceNotFoundException"])
def test_a_value_that_nobody_can_read_any_more_is_written_over(code: str) -> None:
    """By somebody who may only write; after the loss of its key; for the first time."""
    assert _written(Answer({"Message": "no"}, 400, code)) == [json.loads(TEXT)]


def test_nothing_is_written_while_secrets_manager_has_a_bad_moment() -> None:
    with pytest.raises(ClientError, match="InternalServiceError"):  # with 400, so that it isn't tried again
        _written(Answer({"Message": "a bad moment"}, 400, "InternalServiceError"))
