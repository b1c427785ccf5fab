"""Story of templates/policies/replicator_allow.py and replicator/target.py.

The function's role, as `templates/replicator.py` writes it and AWS enforces it: enough, and no more.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ClientError

from beanvault.replication.function import FunctionFailed
from replicator.aws import Clients
from replicator.contract.events import ReplicationRequest
from replicator.contract.summary import Count
from replicator.replicate import RunClock
from replicator.report import RunReport
from replicator.run import run
from testbed.servers.proxy import Proxy
from tests.federation import enable_federation

from .support_deployed import REPLICA_REGION, TEAM_KEY, Deployed, deployed

DENIED = {"AccessDeniedException", "AccessDenied", "AuthorizationError"}
OURS = {"secretsmanager", "sns", "events", "sts"}
"""The services that the function's own code calls; the rest of the role is Lambda's."""
OWN = "beanvault:owner"


@pytest.fixture(scope="module")
def place(openbao: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    with deployed(f"rights-{uuid.uuid4().hex[:6]}", tmp_path_factory.mktemp("rights"), openbao) as place:
        yield place


def histories(place: Deployed, folder: str) -> Iterator[None]:
    """Change the world below *folder* step by step; between the steps the replication runs."""
    kv, aws = place.vault.secrets.kv.v2, place.operator("secretsmanager")
    for path in ("db", "drifted", "gone", "returns", "tagged", "keyed"):
        place.write(f"{folder}/{path}", password=f"canary-{path}")
    place.choose(f"{folder}/tagged", aws_tag_team="blue")
    place.vault.secrets.kv.v1.create_or_update_secret(
        f"{folder}/old", secret={"password": "canary-old"}, mount_point=f"{place.name}-v1", method="POST"
    )
    yield
    place.write(f"{folder}/db", password="canary-db-2")
    place.choose(f"{folder}/tagged")
    place.choose(f"{folder}/keyed", aws_kms_key=TEAM_KEY)
    kv.delete_metadata_and_all_versions(f"{folder}/gone", mount_point=place.name)
    kv.delete_latest_version_of_secret(f"{folder}/returns", mount_point=place.name)
    aws.put_secret_value(SecretId=place.secret(f"{folder}/drifted"), SecretString="canary-edited")
    described = aws.describe_secret(SecretId=place.secret(f"{folder}/drifted"))
    assert "AWSPREVIOUS" in str(described["VersionIdsToStages"])
    yield
    kv.undelete_secret_versions(f"{folder}/returns", versions=[1], mount_point=place.name)
    yield


def check(place: Deployed, folder: str) -> None:
    """Assert that the histories' end is what apps read."""
    for path, value in {
        "db": "canary-db-2",
        "drifted": "canary-drifted",
        "returns": "canary-returns",
        "tagged": "canary-tagged",
        "keyed": "canary-keyed",
        "old": "canary-old",
    }.items():
        assert json.loads(place.value(f"{folder}/{path}")) == {"password": value}, path
    described = place.operator("secretsmanager").describe_secret(SecretId=place.secret(f"{folder}/db"))
    assert [each["Region"] for each in described["ReplicationStatus"]] == [REPLICA_REGION]
    assert described["KmsKeyId"] == place.config().kms_key


def test_everything_a_run_can_do_is_done_inside_lambda_with_the_roles_rights(place: Deployed) -> None:
    """Logged in with a wrapped secret id, which the function replaces itself."""
    place.connect(place.wrapped(place.app_role()))
    place.operator("secretsmanager").create_secret(Name=place.secret("theirs"), SecretString="canary-theirs")
    place.write("theirs", password="canary-adopted")
    counts = [place.function.invoke({}) for _ in histories(place, "lambda")]
    check(place, "lambda")
    assert json.loads(place.value("theirs")) == {"password": "canary-adopted"}
    assert [
        {name: number for name, number in each.items() if number and name not in ("Unchanged", "Skipped")}
        for each in counts
    ] == [{"Created": 7, "Updated": 1}, {"Updated": 2, "Deleted": 2}, {"Restored": 1}]
    assert set(place.kept()["auth"]) == {"method", "mount", "role_id", "secret_id"}
    assert set(place.function.invoke({}).items()) >= {("Unchanged", 7), ("Updated", 0), ("Failed", 0)}
    kinds = [each["detail"]["change"] for each in place.events.read()]
    assert sorted(kinds) == ["created"] * 7 + ["deleted"] * 2 + ["restored"] + ["updated"] * 3


def test_a_failure_inside_lambda_is_raised_and_published_with_the_roles_rights(place: Deployed) -> None:
    place.connect(place.app_role())
    place.alerts.read()
    place.write("empty")
    with pytest.raises(FunctionFailed, match=r"RunFailed: 1 problems.*ValueRefused"):
        place.function.invoke({})
    (message,) = place.alerts.read()
    assert f"{place.secret('empty')}: ValueRefused" in message["Message"]
    place.vault.secrets.kv.v2.delete_metadata_and_all_versions("empty", mount_point=place.name)
    place.function.invoke({})
    (message,) = place.alerts.read()
    assert "is healthy" in message["Message"]


def test_every_right_that_is_granted_is_used_and_every_call_is_granted(
    place: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same histories with the role's credentials, each call recorded on its way."""
    recorder = Proxy(place.aws.endpoint)
    monkeypatch.setenv("AWS_ENDPOINT_URL", recorder.address)
    session = place.role_session()

    def replicate(has_time: Callable[[], bool] = lambda: True) -> RunReport:
        return run(place.config(), Clients(session), ReplicationRequest(), RunClock(time.time, has_time))

    try:
        place.connect(place.wrapped(place.app_role()))
        for _ in histories(place, "recorded"):
            report = replicate()
            assert report.healthy, report.problems()
        check(place, "recorded")
        place.connect(place.jwt())
        drifted = place.secret("recorded/drifted")
        _roll_back(place.operator("secretsmanager"), drifted)
        report = replicate()
        assert (report.healthy, report.counts()[Count.UPDATED]) == (True, 1), report.problems()
        place.write("recorded/empty")
        assert not replicate().healthy
        for path in ("recorded/db", "recorded/tagged", "recorded/keyed"):
            place.write(path, password="canary-3")
        left = iter([True] * 3)
        report = replicate(lambda: next(left, False))
        assert report.deferred
        place.vault.secrets.kv.v2.delete_metadata_and_all_versions("recorded/empty", mount_point=place.name)
        assert replicate().healthy
    finally:
        recorder.close()
    called = {call.operation for call in recorder.calls()}
    granted = {
        action.partition(":")[2]
        for statement in place.statements()
        if statement["Effect"] == "Allow"
        for action in _list(statement["Action"])
        if action.partition(":")[0] in OURS
    }
    assert called == granted


def test_a_secret_whose_key_was_changed_is_readable_without_the_key_before(place: Deployed) -> None:
    """A new key for future versions alone would leave the current value under the old one, in silence."""
    kms, path = place.operator("kms"), "rekeyed"
    place.connect(place.app_role())
    place.write(path, password="canary-rekeyed")
    place.choose(path, aws_kms_key=TEAM_KEY)
    place.function.invoke({})
    place.choose(path)
    place.function.invoke({})
    described = place.operator("secretsmanager").describe_secret(SecretId=place.secret(path))
    assert described["KmsKeyId"] == place.config().kms_key
    kms.disable_key(KeyId=_key_behind(kms, TEAM_KEY))
    try:
        assert json.loads(place.value(path)) == {"password": "canary-rekeyed"}
    finally:
        kms.enable_key(KeyId=_key_behind(kms, TEAM_KEY))


def _key_behind(kms: Any, alias: str) -> str:
    return str(kms.describe_key(KeyId=alias)["KeyMetadata"]["KeyId"])


@pytest.fixture(scope="module")
def foreign(place: Deployed) -> Callable[[str], str]:
    """Create a secret of another owner and return its name."""
    made: dict[str, str] = {}

    def foreign(kind: str) -> str:
        if kind not in made:
            name = {
                "outside": f"{place.name}x/app",
                "unowned": place.secret("unowned"),
                "another's": place.secret("another"),
            }[kind]
            tags = [{"Key": OWN, "Value": "another"}] if kind == "another's" else []
            place.operator("secretsmanager").create_secret(Name=name, SecretString="canary", Tags=tags)
            made[kind] = name
        return made[kind]

    return foreign


@pytest.fixture(scope="module")
def role(place: Deployed) -> Callable[[str], Any]:
    """Makes clients with the role's rights."""
    return partial(place.role_session().client, endpoint_url=place.aws.endpoint)


@pytest.fixture(scope="module")
def owned(place: Deployed, role: Callable[[str], Any]) -> str:
    """The name of a secret that the role has made; the control of every refused creation."""
    name = place.secret("owned")
    role("secretsmanager").create_secret(
        Name=name,
        SecretString="canary",
        KmsKeyId=place.config().kms_key,
        Tags=[{"Key": OWN, "Value": place.name}],
    )
    return name


class TestRefused:
    """Each of these is refused, and its allowed neighbour is not."""

    def refused(self, call: Callable[..., object], **parameters: Any) -> None:
        with pytest.raises(ClientError) as caught:
            call(**parameters)
        assert caught.value.response["Error"]["Code"] in DENIED, caught.value

    def test_to_read_a_replicated_secret(self, place: Deployed, role: Any, owned: str) -> None:
        client = role("secretsmanager")
        self.refused(client.get_secret_value, SecretId=owned)
        self.refused(client.get_secret_value, SecretId=owned, VersionStage="AWSPREVIOUS")
        self.refused(client.batch_get_secret_value, SecretIdList=[owned])
        client.describe_secret(SecretId=owned)
        client.get_secret_value(SecretId=place.deployment.connection_secret)

    def test_to_write_outside_the_prefix(self, place: Deployed, role: Any, foreign: Any, owned: str) -> None:
        client, outside = role("secretsmanager"), foreign("outside")
        tags = [{"Key": OWN, "Value": place.name}]
        self.refused(client.create_secret, Name=f"{place.name}y/app", SecretString="x", Tags=tags)
        self.refused(client.put_secret_value, SecretId=outside, SecretString="x")
        self.refused(client.tag_resource, SecretId=outside, Tags=tags)
        self.refused(client.describe_secret, SecretId=outside)
        client.put_secret_value(SecretId=owned, SecretString="x")

    @pytest.mark.parametrize("owner", [None, "another"])
    def test_to_create_a_secret_without_its_name_on_it(
        self, role: Any, owned: str, owner: str | None
    ) -> None:
        tags = [{"Key": OWN, "Value": owner}] if owner else []
        client = role("secretsmanager")
        self.refused(client.create_secret, Name=f"{owned}-2", SecretString="x", Tags=tags)

    @pytest.mark.parametrize("kind", ["unowned", "another's"])
    def test_to_change_what_it_does_not_own(
        self, place: Deployed, role: Any, foreign: Any, kind: str
    ) -> None:
        client, name = role("secretsmanager"), foreign(kind)
        versions = place.operator("secretsmanager").describe_secret(SecretId=name)["VersionIdsToStages"]
        stage = {"VersionStage": "AWSCURRENT", "MoveToVersionId": next(iter(versions))}
        self.refused(client.put_secret_value, SecretId=name, SecretString="x")
        self.refused(client.update_secret, SecretId=name, KmsKeyId=TEAM_KEY)
        self.refused(client.update_secret_version_stage, SecretId=name, **stage)
        self.refused(client.delete_secret, SecretId=name, RecoveryWindowInDays=7)
        self.refused(client.restore_secret, SecretId=name)
        self.refused(client.untag_resource, SecretId=name, TagKeys=["team"])
        self.refused(
            client.replicate_secret_to_regions, SecretId=name, AddReplicaRegions=[{"Region": REPLICA_REGION}]
        )
        client.describe_secret(SecretId=name)

    def test_to_claim_what_is_anothers(self, place: Deployed, role: Any, foreign: Any) -> None:
        tags = [{"Key": OWN, "Value": place.name}]
        self.refused(role("secretsmanager").tag_resource, SecretId=foreign("another's"), Tags=tags)

    def test_to_give_away_or_disown(self, role: Any, owned: str) -> None:
        client = role("secretsmanager")
        self.refused(client.tag_resource, SecretId=owned, Tags=[{"Key": OWN, "Value": "another"}])
        self.refused(client.untag_resource, SecretId=owned, TagKeys=[OWN])
        self.refused(client.untag_resource, SecretId=owned, TagKeys=["beanvault:source", "team"])
        client.tag_resource(SecretId=owned, Tags=[{"Key": "team", "Value": "blue"}])
        client.untag_resource(SecretId=owned, TagKeys=["team"])

    def test_to_delete_at_once(self, role: Any, owned: str) -> None:
        client = role("secretsmanager")
        self.refused(client.delete_secret, SecretId=owned, ForceDeleteWithoutRecovery=True)
        client.delete_secret(SecretId=owned, RecoveryWindowInDays=7)
        client.restore_secret(SecretId=owned)

    def test_to_change_who_may_do_what(self, place: Deployed, role: Any, owned: str) -> None:
        policy = json.dumps({"Version": "2012-10-17", "Statement": []})
        arn = place.configuration()["Role"]
        self.refused(role("secretsmanager").put_resource_policy, SecretId=owned, ResourcePolicy=policy)
        self.refused(role("iam").list_roles)
        self.refused(role("sts").assume_role, RoleArn=arn, RoleSessionName="again")
        self.refused(
            role("lambda").update_function_configuration,
            FunctionName=place.deployment.function_name,
            Timeout=60,
        )

    def test_to_publish_to_another_topic(self, place: Deployed, role: Any) -> None:
        """One with a policy of its own: SNS's default policy opens a topic to the whole account."""
        rest = {"Effect": "Allow", "Principal": {"Service": "cloudwatch.amazonaws.com"}, "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [{**rest, "Action": "sns:Publish"}]})
        other = place.operator("sns").create_topic(Name="another", Attributes={"Policy": policy})["TopicArn"]
        self.refused(role("sns").publish, TopicArn=other, Message="x")
        role("sns").publish(TopicArn=place.config().topic_arn, Message="x")
        assert place.alerts.read()

    def test_to_put_events_on_another_bus_or_in_anothers_name(self, place: Deployed, role: Any) -> None:
        place.operator("events").create_event_bus(Name="another")
        entry = {
            "Source": "beanvault.replicator",
            "DetailType": "Secret Replicated",
            "Detail": "{}",
            "EventBusName": place.deployment.bus_name,
        }
        put = role("events").put_events
        self.refused(put, Entries=[{**entry, "EventBusName": "another"}])
        self.refused(put, Entries=[{**entry, "EventBusName": "default"}])
        self.refused(put, Entries=[{**entry, "Source": "another"}])
        self.refused(put, Entries=[{**entry, "DetailType": "Another"}])
        assert put(Entries=[entry])["FailedEntryCount"] == 0

    def test_to_use_a_key_itself(self, place: Deployed, role: Any) -> None:
        """Its own keys serve it through Secrets Manager only; the secret above is the control."""
        kms = place.operator("kms")
        other = kms.create_key()["KeyMetadata"]["KeyId"]
        sealed = kms.encrypt(KeyId=other, Plaintext=b"canary")["CiphertextBlob"]
        self.refused(role("kms").decrypt, CiphertextBlob=sealed, KeyId=other)
        for key in (other, place.config().kms_key, TEAM_KEY):
            self.refused(role("kms").generate_data_key, KeyId=key, KeySpec="AES_256")
        assert kms.decrypt(CiphertextBlob=sealed, KeyId=other)["Plaintext"] == b"canary"

    def test_to_identify_itself_to_anybody_but_vault(self, place: Deployed, role: Any) -> None:
        enable_federation(place.operator("iam"))
        ask = {"SigningAlgorithm": "RS256", "DurationSeconds": 300}
        self.refused(role("sts").get_web_identity_token, Audience=["another"], **ask)
        self.refused(role("sts").get_web_identity_token, Audience=[f"{place.name}-vault", "another"], **ask)
        assert role("sts").get_web_identity_token(Audience=[f"{place.name}-vault"], **ask)["WebIdentityToken"]


def _roll_back(aws: Any, name: str) -> None:
    """Make the version before the current one again, as a person would in the console."""
    stages = aws.describe_secret(SecretId=name)["VersionIdsToStages"]
    by_stage = {stage: version for version, labels in stages.items() for stage in labels}
    aws.update_secret_version_stage(
        SecretId=name,
        VersionStage="AWSCURRENT",
        MoveToVersionId=by_stage["AWSPREVIOUS"],
        RemoveFromVersionId=by_stage["AWSCURRENT"],
    )


def _list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
