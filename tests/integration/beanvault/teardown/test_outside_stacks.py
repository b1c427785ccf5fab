"""`beanvault destroy` and what a deployment has outside its stacks, also when the stacks are gone."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from beanvault.aws import Aws, AwsError
from beanvault.cloudformation.stack import StackSpec, TemplateSource
from beanvault.cloudformation.stacks import Stacks
from beanvault.polling import PollingClock
from beanvault.teardown.outside_stacks import (
    OutsideKind,
    OutsideResource,
    _prefixes,
    delete,
    empty,
    other_owners,
)
from beanvault.teardown.retained import FINDERS
from beanvault.ui import NullUi
from templates.deployment_file import DeploymentFileError, parse, read
from templates.layers import LAYERS
from testbed.servers.localaws import REGION, LocalAws, clean_environment
from tests.project import ROOT

BUCKET = f"elasticbeanstalk-{REGION}-123456789012"


@dataclass(frozen=True, slots=True)
class Leftovers:
    """A deployment without stacks, and its resources outside of them."""

    name: str
    config: Path
    aws: LocalAws

    @property
    def secret(self) -> str:
        return f"{self.name}/app/database"

    @property
    def log_group(self) -> str:
        return f"/aws/elasticbeanstalk/{self.name}-app/var/log/web.stdout.log"

    def destroy(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "beanvault", "--config", str(self.config), "destroy", *arguments],
            env={**clean_environment(), **self.aws.environment()},
            input="",
            capture_output=True,
            text=True,
            check=False,
        )

    def present(self) -> tuple[bool, bool, bool]:
        """Return whether the secret, the log group and the objects exist."""
        named = [{"Key": "name", "Values": [self.secret]}]
        secrets = self.aws.client("secretsmanager").list_secrets(Filters=named)["SecretList"]
        groups = self.aws.client("logs").describe_log_groups(logGroupNamePrefix=self.log_group)["logGroups"]
        objects = self.aws.client("s3").list_objects_v2(Bucket=BUCKET, Prefix=f"{self.name}/")
        return self.secret in [s["Name"] for s in secrets], bool(groups), bool(objects["KeyCount"])


def _left(aws: LocalAws, directory: Path, like: str) -> Leftovers:
    name = f"l{uuid.uuid4().hex[:8]}"
    text = (ROOT / "config" / like).read_text()
    before = next(line for line in text.splitlines() if line.startswith("name = "))
    config = directory / "beanvault.toml"
    config.write_text(text.replace(before, f'name = "{name}"'))
    made = Leftovers(name, config, aws)
    aws.client("secretsmanager").create_secret(
        Name=made.secret, SecretString="canary", Tags=[{"Key": "beanvault:owner", "Value": name}]
    )
    aws.client("logs").create_log_group(logGroupName=made.log_group)
    # As Beanstalk creates it: environments of other tests write into it with ACLs.
    assert aws.client("elasticbeanstalk").create_storage_location()["S3Bucket"] == BUCKET
    aws.client("s3").put_object(Bucket=BUCKET, Key=f"{name}/version.zip", Body=b"bundle")
    return made


def test_without_stacks_the_name_is_needed_and_what_would_go_is_told(
    local_aws: LocalAws, tmp_path: Path
) -> None:
    left = _left(local_aws, tmp_path, "dev.toml")
    done = left.destroy()
    assert done.returncode == 2, done.stderr
    assert f"pass --confirm {left.name}" in done.stderr
    for thing in (f"secret {left.secret}", f"log group {left.log_group}", f"s3://{BUCKET}/{left.name}/"):
        assert f"deleted: {'objects ' * thing.startswith('s3')}{thing}" in done.stderr
    assert left.present() == (True, True, True)
    assert left.destroy("--confirm", "other").returncode == 1
    assert left.present() == (True, True, True)
    done = left.destroy("--confirm", left.name)
    assert done.returncode == 0, done.stderr
    assert left.present() == (False, False, False)
    assert left.destroy().returncode == 0  # nothing is left to ask about


def test_a_replicated_secret_is_deleted_although_aws_refuses_at_first(
    local_aws: LocalAws, tmp_path: Path
) -> None:
    """While its replica regions are being removed; one that doesn't go is left for the next run."""
    left = _left(local_aws, tmp_path, "dev.toml")
    secrets = local_aws.client("secretsmanager")
    secrets.replicate_secret_to_regions(SecretId=left.secret, AddReplicaRegions=[{"Region": "eu-west-1"}])
    aws = Aws(local_aws.session(REGION), local_aws.endpoint)
    secret = OutsideResource(OutsideKind.SECRET, left.secret, retained=False)
    no_time = PollingClock(iter([0.0, 99_999.0]).__next__, lambda _: None)
    assert not delete(aws, secret, no_time)
    assert left.present() == (True, True, True)
    secrets.replicate_secret_to_regions(SecretId=left.secret, AddReplicaRegions=[{"Region": "eu-west-1"}])
    done = left.destroy("--confirm", left.name, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["left"] == []
    assert left.present() == (False, False, False)


def test_a_deployment_that_others_import_from_is_not_begun_to_be_deleted(
    local_aws: LocalAws, tmp_path: Path
) -> None:
    left = _left(local_aws, tmp_path, "dev.toml")
    stacks = Stacks(local_aws.client("cloudformation"), NullUi(agrees=True))
    export, other = f"{left.name}-network-Vpc", f"{left.name}-other"
    queue = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": left.name}}
    exporting = {"Url": {"Value": {"Ref": "Queue"}, "Export": {"Name": export}}}
    importing = {"Url": {"Value": {"Fn::ImportValue": export}}}
    topic = {"Type": "AWS::SNS::Topic", "Properties": {}}
    for stack, resource, outputs in (
        (f"{left.name}-network", queue, exporting),
        (other, topic, importing),
    ):
        body = json.dumps({"Resources": {"Queue": resource}, "Outputs": outputs})
        stacks.deploy(StackSpec(stack, TemplateSource(body)))
    done = left.destroy("--confirm", left.name)
    assert done.returncode == 1
    assert (
        f"nothing was deleted, because other stacks use this deployment: {other} imports from " in done.stderr
    )
    assert f"delete {other}, or remove its imports" in done.stderr
    assert left.present() == (True, True, True)
    stacks.delete(other)
    assert left.destroy("--confirm", left.name).returncode == 0


def test_what_an_earlier_run_kept_is_listed_again(local_aws: LocalAws, tmp_path: Path) -> None:
    """Its stack is gone, as after a run that failed later on; what was deleted since then isn't listed."""
    left = _left(local_aws, tmp_path, "dev.toml")
    stacks = Stacks(local_aws.client("cloudformation"), NullUi(agrees=True))
    logs = {name: f"/{left.name}/{name}" for name in ("Kept", "Gone")}
    resources = {
        name: {
            "Type": "AWS::Logs::LogGroup",
            "DeletionPolicy": "Retain",
            "Properties": {"LogGroupName": group},
        }
        for name, group in logs.items()
    }
    body = json.dumps({"Resources": resources})
    for _ in range(2):  # a stack of this name was deleted twice, and kept different ones
        stacks.deploy(StackSpec(f"{left.name}-network", TemplateSource(body)))
        stacks.delete(f"{left.name}-network")
        body = json.dumps({"Resources": {"Other": {"Type": "AWS::SNS::Topic", "Properties": {}}}})
    local_aws.client("logs").delete_log_group(logGroupName=logs["Gone"])
    done = left.destroy("--confirm", left.name, "--json")
    (kept,) = json.loads(done.stdout)["kept"]
    assert kept == {
        "type": "AWS::Logs::LogGroup",
        "id": logs["Kept"],
        "dollars_a_month": 0.0,
        "bound": "",
        "delete_command": f"aws logs delete-log-group --log-group-name {logs['Kept']}",
    }
    assert f"# AWS::Logs::LogGroup {logs['Kept']}: $0.00 a month" in left.destroy().stderr


def test_production_keeps_its_secrets_and_logs_and_prints_how_to_delete_them(
    local_aws: LocalAws, tmp_path: Path
) -> None:
    left = _left(local_aws, tmp_path, "production.toml")
    done = left.destroy("--confirm", left.name, "--json")
    assert done.returncode == 0, done.stderr
    assert left.present() == (True, True, False)
    kept = {each["id"]: each["delete_command"] for each in json.loads(done.stdout)["kept"]}
    assert kept == {
        left.secret: f"aws secretsmanager delete-secret --secret-id {left.secret}",
        left.log_group: f"aws logs delete-log-group --log-group-name {left.log_group}",
    }
    assert "aws logs delete-log-group" in left.destroy().stderr


@pytest.mark.parametrize("file", ["dev.toml", "production.toml"])
def test_whatever_a_template_retains_is_looked_for(file: str) -> None:
    deployment = read(ROOT / "config" / file)
    for build in LAYERS.values():
        for resource in build(deployment).to_dict()["Resources"].values():
            if resource.get("DeletionPolicy") in ("Retain", "RetainExceptOnCreate", "Snapshot"):
                assert resource["Type"] in FINDERS


def test_objects_that_s3_keeps_are_an_error(local_aws: LocalAws) -> None:
    """S3 answers 200 even when it refuses each of them."""
    bucket, s3 = f"kept-{uuid.uuid4().hex[:8]}", local_aws.client("s3")
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket=bucket, Key="a", Body=b"a")
    aws = Aws(local_aws.session(REGION), local_aws.endpoint)

    def refuse(parsed: dict[str, Any], **_: Any) -> None:
        parsed["Errors"] = [{"Key": "a", "Code": "AccessDenied", "Message": "no"}]

    aws.client("s3").meta.events.register("after-call.s3.DeleteObjects", refuse)
    with pytest.raises(AwsError, match=f"kept 1 objects of s3://{bucket}/; the first is a: AccessDenied"):
        empty(aws, bucket)


def test_a_deployment_of_any_name_has_only_its_own_objects() -> None:
    """Artifacts and application versions are in one bucket, below prefixes with the deployment's name."""
    tables = {"region": REGION, "vault": {"where": "host"}}
    prefixes = _prefixes(parse({"name": "beanvault", **tables}))
    others = _prefixes(parse({"name": "shop", **tables}))
    assert not [other for other in others for own in prefixes if other.startswith(own)]
    with pytest.raises(DeploymentFileError, match="Beanstalk's own folder"):
        parse({"name": "resources", **tables})


def test_an_environment_without_objects_uses_beanstalks_bucket() -> None:
    """It can run Beanstalk's sample application, and have its own data below `resources/` only."""
    session = boto3.session.Session("x", "x", region_name=REGION)
    clients = {name: session.client(name) for name in ("elasticbeanstalk", "s3", "sts")}  # type: ignore[call-overload]  # a name of a list
    answers: dict[str, tuple[str, Any]] = {
        "elasticbeanstalk": (
            "describe_environments",
            {
                "Environments": [
                    {"EnvironmentName": "shop-app", "ApplicationName": "shop"},
                    {"EnvironmentName": "their-env", "ApplicationName": "theirs"},
                ]
            },
        ),
        "s3": ("list_objects_v2", {"CommonPrefixes": [{"Prefix": "resources/"}]}),
        "sts": ("get_caller_identity", {"Account": "123456789012"}),
    }
    for name, (operation, answer) in answers.items():
        stubber = Stubber(clients[name])
        for _ in range(3):
            stubber.add_response(operation, answer)
        stubber.activate()
    deployment = parse({"name": "shop", "region": REGION, "vault": {"where": "host"}})
    assert other_owners(Aws(session, None, clients), deployment) == ("the environment their-env",)
