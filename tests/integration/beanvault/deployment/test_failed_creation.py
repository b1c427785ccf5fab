"""Story of beanvault/deployment/failed_creation.py and beanvault/deployment/deploy.py.

Failures on top of a failed creation, and what only looks like one. The keys layer stands for all: it has what
is kept, and takes a second.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from beanvault.aws import Aws
from beanvault.cloudformation.events import StackEvent
from beanvault.cloudformation.stack import AttemptedResource, StackError, StackOutcome, StackResource
from beanvault.cloudformation.stacks import Stacks
from beanvault.deployment import failed_creation
from beanvault.deployment.deploy import deploy
from beanvault.deployment.deployment_context import DeploymentContext
from beanvault.errors import Refused
from beanvault.polling import PollingClock
from beanvault.ui import NullUi
from templates.deployment_file import parse
from testbed.servers.localaws import REGION, LocalAws
from tests.project import ROOT

EPOCH = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
AGREES = NullUi(agrees=True)
"""Agrees to everything but a loss of data."""
LATER = dt.datetime(2100, 1, 1, tzinfo=dt.UTC)


class InterruptingUi(NullUi):
    """Ends the command, as Ctrl-C does, when the stack begins to be deleted."""

    def event(self, stack: str, event: StackEvent) -> None:  # noqa: ARG002 - the protocol's parameter
        if event.status == "DELETE_IN_PROGRESS":
            raise KeyboardInterrupt


@dataclass(frozen=True, slots=True)
class Trial:
    """A deployment of which only the keys are deployed."""

    aws: LocalAws
    context: DeploymentContext

    @property
    def stack(self) -> str:
        return self.context.deployment.stack_name("keys")

    def deploy(self, ui: NullUi = AGREES) -> StackOutcome:
        context = self.context
        (result,) = deploy(DeploymentContext(context.deployment, context.aws, ui, context.project), ["keys"])
        return result.outcome

    def fail(self, logical_id: str, action: Any) -> None:
        self.aws.fail_once(self.stack, logical_id, action, "not now")

    def status(self) -> str:
        described = self.aws.client("cloudformation").describe_stacks(StackName=self.stack)["Stacks"]
        return str(described[0]["StackStatus"])

    def key(self, logical_id: str) -> str:
        found = self.aws.client("cloudformation").describe_stack_resources(
            StackName=self.stack, LogicalResourceId=logical_id
        )
        return str(found["StackResources"][0]["PhysicalResourceId"])

    def key_state(self, key: str) -> str:
        return str(self.aws.client("kms").describe_key(KeyId=key)["KeyMetadata"]["KeyState"])


@pytest.fixture
def trial(local_aws: LocalAws) -> Iterator[Trial]:
    deployment = parse({"name": f"f{uuid.uuid4().hex[:8]}", "region": REGION, "vault": {"where": "host"}})
    aws = Aws(local_aws.session(), local_aws.endpoint)
    made = Trial(local_aws, DeploymentContext(deployment, aws, NullUi(agrees=True), ROOT))
    yield made
    local_aws.client("cloudformation").delete_stack(StackName=made.stack)


def test_a_roll_back_that_fails_is_told_and_repaired(trial: Trial) -> None:
    """The key that it could not delete is scheduled for deletion: CloudFormation would keep it."""
    trial.fail("AlertTopic", "create")
    trial.fail("SecretsKey", "delete")
    with pytest.raises(StackError, match="ROLLBACK_FAILED: AlertTopic") as error:
        trial.deploy()
    key = trial.key("SecretsKey")
    assert f"Not deleted, and still incurring cost: {key} (AWS::KMS::Key)" in str(error.value)
    assert (trial.status(), trial.key_state(key)) == ("ROLLBACK_FAILED", "Enabled")
    assert trial.deploy() is StackOutcome.CREATED
    assert trial.key_state(key) == "PendingDeletion"
    assert trial.key("SecretsKey") != key


def test_a_repair_that_fails_is_repeated(trial: Trial) -> None:
    """The stack is DELETE_FAILED then, as one that was in use can be; its events tell them apart."""
    trial.fail("AlertTopic", "create")
    trial.fail("SecretsKeyAlias", "delete")
    with pytest.raises(StackError, match="ROLLBACK_FAILED"):
        trial.deploy()
    trial.fail("SecretsKeyAlias", "delete")
    with pytest.raises(StackError, match="DELETE_FAILED"):
        trial.deploy()
    assert trial.status() == "DELETE_FAILED"
    assert trial.deploy() is StackOutcome.CREATED


def test_a_repair_that_is_interrupted_is_resumed(trial: Trial) -> None:
    trial.fail("AlertTopic", "create")
    trial.fail("DataKey", "delete")
    with pytest.raises(StackError, match="ROLLBACK_FAILED"):
        trial.deploy()
    key = trial.key("DataKey")
    with pytest.raises(KeyboardInterrupt):
        trial.deploy(InterruptingUi(agrees=True))
    assert trial.deploy() is StackOutcome.CREATED
    assert trial.key_state(key) == "PendingDeletion"


def test_a_repair_is_asked_about_but_not_as_a_loss(trial: Trial) -> None:
    trial.fail("AlertTopic", "create")
    with pytest.raises(StackError):
        trial.deploy()
    with pytest.raises(Refused, match="ROLLBACK_COMPLETE and was not changed"):
        trial.deploy(NullUi())
    assert trial.status() == "ROLLBACK_COMPLETE"
    assert trial.deploy(NullUi(agrees=True)) is StackOutcome.CREATED


def test_a_stack_that_was_in_use_is_not_taken_for_a_failed_creation(trial: Trial) -> None:
    assert trial.deploy() is StackOutcome.CREATED
    key = trial.key("SecretsKey")
    trial.fail("AlertTopic", "delete")
    stacks = Stacks(trial.context.aws.client("cloudformation"), trial.context.ui)
    with pytest.raises(StackError, match="DELETE_FAILED"):
        stacks.delete(trial.stack)
    assert stacks.failed_creation(trial.stack) is None
    with pytest.raises(Refused, match="DELETE_FAILED and was not changed"):
        trial.deploy(NullUi(agrees=True))
    assert trial.key_state(key) == "Enabled"
    assert trial.deploy(NullUi(agrees=True, accepts_loss=True)) is StackOutcome.CREATED
    assert trial.key_state(key) == "Enabled"  # what it encrypted can still be read


def test_a_database_and_snapshots_from_before_are_left_alone(trial: Trial) -> None:
    """They have the identifier of the one whose creation failed because of them."""
    rds, name = trial.aws.client("rds"), f"{trial.context.deployment.name}-database"
    rds.create_db_instance(
        DBInstanceIdentifier=name,
        DBInstanceClass="db.t4g.micro",
        Engine="mysql",
        AllocatedStorage=20,
        MasterUsername="x",
        ManageMasterUserPassword=True,
        DeletionProtection=True,
    )
    rds.create_db_snapshot(DBInstanceIdentifier=name, DBSnapshotIdentifier=f"{name}-1")
    failed_creation._delete_database(trial.context.aws, name, LATER)
    (found,) = rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"]
    assert found["DeletionProtection"]
    manual = {"DBInstanceIdentifier": name, "SnapshotType": "manual"}
    assert len(rds.describe_db_snapshots(**manual)["DBSnapshots"]) == 1
    failed_creation._delete_database(trial.context.aws, name, EPOCH)
    with pytest.raises(ClientError, match="not found"):
        rds.describe_db_instances(DBInstanceIdentifier=name)
    assert rds.describe_db_snapshots(**manual)["DBSnapshots"] == []


def test_a_database_that_is_still_being_created_is_waited_for() -> None:
    """RDS names no time of its creation, and refuses changes, until it is created."""
    session = boto3.session.Session("x", "x", region_name=REGION)
    client = session.client("rds")
    creating = {"DBInstanceIdentifier": "shop-database", "DBInstanceStatus": "creating"}
    created = {**creating, "DBInstanceStatus": "available", "InstanceCreateTime": LATER}
    with Stubber(client) as stubber:
        for instance in (creating, creating, created):
            stubber.add_response("describe_db_instances", {"DBInstances": [instance]})
        aws, clock = Aws(session, None, {"rds": client}), PollingClock(sleep=lambda _: None)
        assert failed_creation._once_created(aws, "shop-database", clock) == created
        stubber.assert_no_pending_responses()


def test_a_bucket_that_somebody_else_created_is_left_alone(trial: Trial) -> None:
    """The stack lists a resource whose creation failed, because the name was taken in the meantime."""
    s3, bucket = trial.aws.client("s3"), f"{trial.context.deployment.name}-storage-taken"
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket=bucket, Key="others/bundle.zip", Body=b"theirs")
    attempted = (
        AttemptedResource("AWS::S3::Bucket", bucket, created=False, deletion_policy="Delete"),
        AttemptedResource("AWS::S3::Bucket", "made-by-the-stack", created=True, deletion_policy="Delete"),
    )
    listed = (
        StackResource("AWS::S3::Bucket", bucket, retained=False),
        StackResource("AWS::S3::Bucket", "made-by-the-stack", retained=False),
        StackResource("AWS::RDS::DBInstance", "shop-database", retained=False),
    )
    assert failed_creation.deletable(listed, attempted) == listed[1:2]
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 1


def test_a_stack_that_failed_to_be_deleted_goes_before_names_are_looked_for(trial: Trial) -> None:
    """What it keeps has the names that the new stack would give."""
    stacks = Stacks(trial.context.aws.client("cloudformation"), NullUi(agrees=True, accepts_loss=True))
    assert trial.deploy() is StackOutcome.CREATED
    trial.fail("AlertTopic", "delete")
    with pytest.raises(StackError, match="DELETE_FAILED"):
        stacks.delete(trial.stack)
    stacks.delete_unusable(trial.stack)
    assert stacks.describe(trial.stack) is None
    stacks.delete_unusable(trial.stack)  # nothing to do
