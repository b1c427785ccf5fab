"""The bootstrap's handler: its answers to CloudFormation, without any secret value."""

import json
import logging
from collections.abc import Iterator

import boto3
import pymysql
import pytest
from moto import mock_aws

from bootstrap.accounts import BootstrapError, DesiredAccounts
from bootstrap.handler import RDS_AUTHORITIES, Master, connected, handler
from testbed.servers.process import free_port
from tests.unit.templates.custom_resource_client import ask

PASSWORD = "canary-4711"
PROPERTIES = {
    "Host": "127.0.0.1",
    "MasterSecret": "master",
    "Schema": "app",
    "Users": ["app_blue", "app_green"],
    "IamUser": "app_iam",
}


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        client = boto3.client("secretsmanager")
        client.create_secret(Name="master", SecretString=json.dumps({"username": "m", "password": PASSWORD}))
        yield


def test_deletion_is_answered_without_a_connection_to_the_database() -> None:
    """The accounts are deleted with it, and it can be deleted already."""
    answer, raised = ask(handler, "Delete", {})
    assert (answer["Status"], raised) == ("SUCCESS", None)
    assert answer["PhysicalResourceId"] == "accounts"


def test_an_unreachable_database_is_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bounded number of times, with growing pauses; the last error is raised."""
    monkeypatch.setattr("random.uniform", lambda _, most: most)
    waits: list[float] = []
    master = Master("m", PASSWORD)
    with (
        pytest.raises(pymysql.OperationalError, match="2003"),
        connected("127.0.0.1", free_port(), master, RDS_AUTHORITIES, sleep=waits.append),
    ):
        pass
    assert waits == [2, 4, 8, 16]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"Users": ["app'; DROP USER root; --"]}, "is not a valid schema or user name"),
        ({"MasterSecret": "missing"}, "GetSecretValue was refused: ResourceNotFoundException"),
        ({"Port": "none"}, "the accounts were not created: ValueError"),
    ],
)
def test_a_failure_has_a_reason_without_a_value(
    change: dict[str, object], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    """CloudFormation shows the reason to everyone who can see the stack; the log goes to CloudWatch."""
    caplog.set_level(logging.DEBUG)
    answer, raised = ask(handler, "Create", {**PROPERTIES, "Port": "3307", **change})
    assert answer["Status"] == "FAILED"
    assert reason in answer["Reason"]
    assert isinstance(raised, BootstrapError)
    assert raised.__suppress_context__
    assert PASSWORD not in json.dumps(answer) + repr(raised)
    ours = [record for record in caplog.records if record.name.startswith("bootstrap")]
    assert PASSWORD not in str([record.getMessage() for record in ours])


def test_the_masters_password_is_not_in_the_repr() -> None:
    """A traceback with local variables must not show it."""
    assert PASSWORD not in repr(Master("m", PASSWORD))


def test_names_are_checked_before_they_are_used_in_sql() -> None:
    """They can't be parameters of these statements."""
    for name in ("", "a b", "a`b", "A", "x" * 40):
        with pytest.raises(BootstrapError):
            DesiredAccounts(name, ("app_blue",), "app_iam")


def test_the_bundled_authorities_are_rdss() -> None:
    """The zip includes them, to verify the database's certificate."""
    text = RDS_AUTHORITIES.read_text()
    assert text.count("BEGIN CERTIFICATE") > 50
