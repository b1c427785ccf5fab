"""Story of templates/, beanvault/deployment/, beanvault/teardown/, beanvault/verify/ and
beanvault/artifacts/placeholder/.

`templates.layers`: all layers of two deployments in one account, created, checked, changed and deleted.

The tests of this module are one story, told in order; each leaves the deployments as the next finds them.
"""

from __future__ import annotations

import io
import re
import shlex
import tomllib
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jmespath
import pytest
from botocore.exceptions import ClientError

from beanvault.artifacts import placeholder
from beanvault.aws import Aws
from beanvault.cloudformation.changes import Replacement
from beanvault.cloudformation.stack import StackOutcome, StackResult
from beanvault.deployment.deploy import deploy
from beanvault.deployment.deployment_context import DeploymentContext
from beanvault.deployment.listener_rules import MissingRule
from beanvault.errors import Refused
from beanvault.teardown import outside_stacks
from beanvault.teardown.destroy import destroy
from beanvault.ui import NullUi
from beanvault.verify.account.state import AccountState
from beanvault.verify.model import Status
from beanvault.verify.run import verify
from replicator.contract.tags import TAG_OWNER, TAG_SOURCE
from templates.aws_versions import PLATFORM
from templates.deployment import Deployment
from templates.deployment_file import parse
from templates.deployment_sections import OutsideVault
from templates.deployment_values import Range
from templates.vault_layer import ca_parameter, host_name
from testbed.servers.authority import Authority
from testbed.servers.localaws import REGION, LocalAws
from testbed.servers.mariadb import MariaDB
from tests.project import ROOT

STRICT, TRIAL = "strict", "trial"
ELSEWHERE = "eu-west-1"


@dataclass(frozen=True, slots=True)
class Account:
    """An account with the resources that a deployment expects, and two deployment files for it."""

    aws: LocalAws
    files: Mapping[str, dict[str, Any]]
    _clients: dict[str, Any] = field(default_factory=dict)

    def deployment(self, name: str, changes: Mapping[str, Mapping[str, Any]] | None = None) -> Deployment:
        tables = dict(self.files[name])
        for table, keys in (changes or {}).items():
            tables[table] = {**tables.get(table, {}), **keys}
        return parse(tables)

    def work(self, deployment: Deployment, *, accepts_loss: bool = False) -> DeploymentContext:
        aws = Aws(self.aws.session(deployment.region), self.aws.endpoint)
        return DeploymentContext(deployment, aws, NullUi(agrees=True, accepts_loss=accepts_loss), ROOT)

    def client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = self.aws.client(service)
        return self._clients[service]


@pytest.fixture(scope="module")
def account(
    tmp_path_factory: pytest.TempPathFactory, authority: Authority, mariadb: MariaDB
) -> Iterator[Account]:
    aws = LocalAws.start(tmp_path_factory.mktemp("life"), mariadb, instances=True)
    try:
        ec2 = aws.client("ec2")
        ec2.enable_ebs_encryption_by_default()  # the account's own choice: no layer makes it
        gateway = ec2.create_transit_gateway()["TransitGateway"]["TransitGatewayId"]
        zone = aws.client("route53").create_hosted_zone(Name="example.com", CallerReference="life")
        database = {"port": mariadb.port, "ca_file": str(authority.ca_file)}
        strict = tomllib.loads((ROOT / "config" / "production.toml").read_text())
        strict["name"] = STRICT
        strict["vault"]["transit_gateway_id"] = gateway
        strict["domain"]["hosted_zone_id"] = zone["HostedZone"]["Id"].rpartition("/")[2]
        strict["database"] |= {"mode": "proxy", **database}
        strict["replicator"]["replica_regions"] = [ELSEWHERE]
        trial = tomllib.loads((ROOT / "config" / "dev.toml").read_text())
        trial["name"] = TRIAL
        trial["database"] |= database
        trial["storage"] = {"beanstalk_bucket": "existing"}
        yield Account(aws, {STRICT: strict, TRIAL: trial})
    finally:
        aws.stop()


def _outcomes(results: tuple[StackResult, ...]) -> set[StackOutcome]:
    return {result.outcome for result in results}


def test_all_layers_are_created(account: Account) -> None:
    """Both files; the second hardens Beanstalk's bucket in place. Once more changes nothing."""
    for name, stacks in ((STRICT, 8), (TRIAL, 9)):
        results = deploy(account.work(account.deployment(name)))
        assert (len(results), _outcomes(results)) == (stacks, {StackOutcome.CREATED})
        assert _outcomes(deploy(account.work(account.deployment(name)))) == {StackOutcome.UNCHANGED}


def _findings(account: Account, deployment: Deployment) -> dict[Status, set[tuple[str, str, str]]]:
    found: dict[Status, set[tuple[str, str, str]]] = {status: set() for status in Status}
    for finding in verify(AccountState(deployment, account.work(deployment).aws)):
        found[finding.status].add((finding.id, finding.resource, finding.evidence))
    return found


NOT_OURS = {
    "BV.SM2": "compares Secrets Manager with Vault, and no Vault is connected yet",
    "Route53.2": "the hosted zone is there before the deployment; whose it is logs its queries",
}


@pytest.mark.parametrize("name", [STRICT, TRIAL])
def test_the_state_that_results_meets_the_controls(account: Account, name: str) -> None:
    """Asked of the services, not of the templates, right after the deployment."""
    found = _findings(account, account.deployment(name))
    open_ones = {one for one in found[Status.FAIL] | found[Status.UNKNOWN] if one[0] not in NOT_OURS}
    assert open_ones == set()
    assert len(found[Status.PASS]) > 80


def test_strict_leaves_no_control_to_choice(account: Account) -> None:
    """Production has everything that a trial leaves out."""
    found = _findings(account, account.deployment(STRICT))[Status.NOT_APPLICABLE]
    assert [one for one in found if "the deployment file asks for" in one[2]] == []


def _options(account: Account, name: str) -> dict[str, str]:
    deployment = account.deployment(name)
    described = account.client("elasticbeanstalk").describe_configuration_settings(
        ApplicationName=deployment.application_name, EnvironmentName=deployment.environment_name
    )
    return {o["OptionName"]: o["Value"] for o in described["ConfigurationSettings"][0]["OptionSettings"]}


def test_what_a_layer_exports_reaches_those_that_import_it(account: Account) -> None:
    """Each value is compared with the service that owns it, not with the exporting stack."""
    options = _options(account, STRICT)
    (balancer,) = account.client("elbv2").describe_load_balancers(Names=[f"{STRICT}-edge"])["LoadBalancers"]
    assert options["SharedLoadBalancer"] == balancer["LoadBalancerArn"]
    assert [options["VPCId"], options["ELBSubnets"].split(",")] == [
        balancer["VpcId"],
        [zone["SubnetId"] for zone in balancer["AvailabilityZones"]],
    ]
    function = account.client("lambda").get_function_configuration(FunctionName=f"{STRICT}-replicator")
    assert set(function["VpcConfig"]["SubnetIds"]) == set(options["Subnets"].split(","))
    alias = account.client("kms").describe_key(KeyId=f"alias/{STRICT}-function")
    assert function["KMSKeyArn"] == alias["KeyMetadata"]["Arn"]
    trial = _options(account, TRIAL)
    assert trial["VPCId"] != options["VPCId"]
    (database,) = account.client("rds").describe_db_instances(DBInstanceIdentifier=f"{TRIAL}-database")[
        "DBInstances"
    ]
    assert trial["BEANVAULT_DATABASE_HOST"] == database["Endpoint"]["Address"]


def _environment(account: Account, name: str) -> Any:
    where = {"EnvironmentNames": [account.deployment(name).environment_name], "IncludeDeleted": False}
    (found,) = account.client("elasticbeanstalk").describe_environments(**where)["Environments"]
    return found


@pytest.mark.parametrize("name", [STRICT, TRIAL])
def test_an_environment_is_healthy_before_its_first_deployment(account: Account, name: str) -> None:
    """It runs the placeholder, on port 443; its stack names no version of app or platform any more."""
    found = _environment(account, name)
    assert (found["Status"], found["Health"]) == ("Ready", "Green")
    stack = account.client("cloudformation").describe_stacks(StackName=f"{name}-environment")["Stacks"][0]
    parameters = {p["ParameterKey"]: p["ParameterValue"] for p in stack["Parameters"]}
    assert (parameters["CreatingEnvironment"], parameters["PlatformArn"]) == ("false", "")
    filters = [{"Type": "PlatformBranchName", "Operator": "=", "Values": [PLATFORM.in_use]}]
    listed = account.client("elasticbeanstalk").list_platform_versions(Filters=filters)
    recommended = [
        each["PlatformArn"]
        for each in listed["PlatformSummaryList"]
        if each["PlatformLifecycleState"] == "Recommended"
    ]
    assert [found["PlatformArn"]] == recommended


def test_a_missing_listener_rule_fails_the_deployment_with_the_command_that_makes_it(
    account: Account,
) -> None:
    work = account.work(account.deployment(STRICT))
    elb, domain = account.client("elbv2"), str(work.deployment.domain.name)
    listener = work.aws.exports()[f"{STRICT}-edge-HttpsListenerArn"]
    rules = elb.describe_rules(ListenerArn=listener)["Rules"]
    (rule,) = [each for each in rules if domain in str(each["Conditions"])]
    elb.delete_rule(RuleArn=rule["RuleArn"])
    with pytest.raises(MissingRule, match=f"no listener rule for {domain}") as error:
        deploy(work, ["environment"])
    words = shlex.split(error.value.remedy)
    given = dict(zip(words[3::2], words[4::2], strict=True))
    conditions = dict(pair.split("=", 1) for pair in given["--conditions"].split(","))
    action = dict(pair.split("=", 1) for pair in given["--actions"].split(","))
    elb.create_rule(
        ListenerArn=given["--listener-arn"],
        Priority=int(given["--priority"]),
        Conditions=[{"Field": conditions["Field"], "Values": [conditions["Values"]]}],
        Actions=[action],
    )
    assert _outcomes(deploy(work, ["environment"])) == {StackOutcome.UNCHANGED}


def test_what_a_managed_update_moved_on_is_not_taken_back(account: Account) -> None:
    """A newer recommended version changes nothing by itself: the managed updates move the environment on."""
    deployment, beanstalk = account.deployment(TRIAL), account.client("elasticbeanstalk")
    name = deployment.environment_name
    before = _environment(account, TRIAL)["PlatformArn"]
    account.aws.tell(platform_releases={deployment.platform_branch: "4.99.0"})
    assert _outcomes(deploy(account.work(deployment))) == {StackOutcome.UNCHANGED}
    assert _environment(account, TRIAL)["PlatformArn"] == before

    (action,) = beanstalk.describe_environment_managed_actions(EnvironmentName=name)["ManagedActions"]
    beanstalk.apply_environment_managed_action(EnvironmentName=name, ActionId=action["ActionId"])
    waiter = beanstalk.get_waiter("environment_updated")
    waiter.wait(EnvironmentNames=[name], WaiterConfig={"Delay": 1, "MaxAttempts": 90})
    moved = _environment(account, TRIAL)["PlatformArn"]
    assert moved.endswith("/4.99.0")
    assert _outcomes(deploy(account.work(deployment), revert_drift=True)) == {StackOutcome.UNCHANGED}
    changed = account.deployment(TRIAL, {"app": {"environment": {"COLOUR": "blue"}}})
    (result,) = deploy(account.work(changed), ["environment"])
    assert (result.outcome, _environment(account, TRIAL)["PlatformArn"]) == (StackOutcome.UPDATED, moved)
    (result,) = deploy(account.work(deployment), ["environment"])
    assert (result.outcome, _environment(account, TRIAL)["PlatformArn"]) == (StackOutcome.UPDATED, moved)


def _second_version(account: Account, name: str, directory: Path) -> str:
    """Deploy another version, as `eb deploy` does; return its label."""
    label = f"{name}-second"
    bundle = io.BytesIO(placeholder.build(ROOT, directory / "second.zip").read_bytes())
    with zipfile.ZipFile(bundle, "a") as archive:
        archive.writestr("second.txt", "another version")
    source = {"S3Bucket": f"elasticbeanstalk-{REGION}-123456789012", "S3Key": f"{name}/{label}.zip"}
    account.client("s3").put_object(Bucket=source["S3Bucket"], Key=source["S3Key"], Body=bundle.getvalue())
    deployment, beanstalk = account.deployment(name), account.client("elasticbeanstalk")
    beanstalk.create_application_version(
        ApplicationName=deployment.application_name, VersionLabel=label, SourceBundle=source, Process=True
    )
    beanstalk.update_environment(EnvironmentName=deployment.environment_name, VersionLabel=label)
    waiter = beanstalk.get_waiter("environment_updated")
    waiter.wait(EnvironmentNames=[deployment.environment_name], WaiterConfig={"Delay": 1, "MaxAttempts": 90})
    return label


def test_the_proxy_is_added_once_its_credential_exists(account: Account) -> None:
    """Until then the application connects to the database directly; that ingress is removed afterwards."""
    rds = account.client("rds")
    assert rds.describe_db_proxies()["DBProxies"] == []
    before = _options(account, STRICT)
    assert (before["BEANVAULT_DATABASE_MODE"], _ways_to_the_database(account)) == ("secret", 1)
    arn = _replicate_the_credential(account)
    results = deploy(account.work(account.deployment(STRICT)))
    changed = [r.stack.removeprefix(f"{STRICT}-") for r in results if r.outcome is StackOutcome.UPDATED]
    assert changed == ["data", "environment"]
    (proxy,) = rds.describe_db_proxies()["DBProxies"]
    assert proxy["Auth"][0]["SecretArn"] == arn
    options = _options(account, STRICT)
    assert (options["BEANVAULT_DATABASE_MODE"], options["BEANVAULT_DATABASE_HOST"]) == (
        "proxy",
        proxy["Endpoint"],
    )
    assert _ways_to_the_database(account) == 0


def _replicate_the_credential(account: Account) -> str:
    """Create the secret as the replicator would; return its ARN."""
    deployment = account.deployment(STRICT)
    owned = {TAG_OWNER: deployment.name, TAG_SOURCE: deployment.database.credential}
    made = account.client("secretsmanager").create_secret(
        Name=deployment.credential_secret,
        SecretString="{}",
        KmsKeyId=f"alias/{STRICT}-secrets",
        Tags=[{"Key": key, "Value": value} for key, value in owned.items()],
    )
    return str(made["ARN"])


def _ways_to_the_database(account: Account) -> int:
    """Return how many rules let the instances of the strict deployment reach its database."""
    (stack,) = account.client("cloudformation").describe_stacks(StackName=f"{STRICT}-network")["Stacks"]
    ids = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    (group,) = account.client("ec2").describe_security_groups(GroupIds=[ids["DatabaseSecurityGroup"]])[
        "SecurityGroups"
    ]
    pairs = [pair["GroupId"] for rule in group["IpPermissions"] for pair in rule["UserIdGroupPairs"]]
    return pairs.count(ids["InstanceSecurityGroup"])


@pytest.mark.parametrize("name", [STRICT, TRIAL])
def test_what_was_changed_by_hand_goes_back_to_the_templates(account: Account, name: str) -> None:
    """And before anything was, nothing is taken for it."""
    work = account.work(account.deployment(name))
    assert _outcomes(deploy(work, revert_drift=True)) == {StackOutcome.UNCHANGED}
    before = _findings(account, account.deployment(name))

    ec2, s3 = account.client("ec2"), account.client("s3")
    (group,) = ec2.describe_security_groups(
        Filters=[{"Name": "group-name", "Values": [f"{name}-network-DatabaseSecurityGroup*"]}]
    )["SecurityGroups"]
    ec2.authorize_security_group_egress(
        GroupId=group["GroupId"],
        IpPermissions=[
            {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
        ],
    )
    bucket = next(b["Name"] for b in s3.list_buckets()["Buckets"] if b["Name"].startswith(f"{name}-"))
    s3.delete_public_access_block(Bucket=bucket)
    s3.delete_bucket_encryption(Bucket=bucket)
    function = account.deployment(name).function_name
    account.client("lambda").put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=0)
    rule = next(r for r in account.client("events").list_rules()["Rules"] if r["Name"].startswith(name))
    account.client("events").disable_rule(Name=rule["Name"])
    key = account.client("kms").describe_key(KeyId=f"alias/{name}-data")["KeyMetadata"]["KeyId"]
    account.client("kms").disable_key_rotation(KeyId=key)
    assert len(_findings(account, account.deployment(name))[Status.FAIL]) > len(before[Status.FAIL])

    assert _outcomes(deploy(work)) == {StackOutcome.UNCHANGED}
    results = {result.stack: result for result in deploy(work, revert_drift=True)}
    updated = {stack for stack, result in results.items() if result.outcome is StackOutcome.UPDATED}
    assert updated == {f"{name}-{layer}" for layer in ("keys", "network", "storage", "replicator")}
    assert sum(len(result.changes) for result in results.values()) == 5
    assert _findings(account, account.deployment(name)) == before
    assert _outcomes(deploy(work, revert_drift=True)) == {StackOutcome.UNCHANGED}


CHANGES: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    STRICT: {
        "network": {"endpoints": ["kms", "logs", "secretsmanager", "sns", "sts"]},
        "vault": {"port": 8201, "cidrs": ["10.91.0.0/24", "10.90.0.0/24"]},
        "alerts": {"emails": ["security@example.com"], "lag_minutes": 45},
        "logs": {"retention_days": 400},
        "database": {"backup_days": 21, "max_storage_gb": 500},
        "replicator": {"schedule": "rate(10 minutes)", "memory_mb": 640},
        "edge": {"waf_requests_per_five_minutes": 500},
        "app": {"max_instances": 6},
    },
    TRIAL: {
        "alerts": {"emails": ["ops@example.com"], "lag_minutes": 45},
        "logs": {"retention_days": 60},
        "database": {"backup_days": 3},
        "vault": {"storage_gb": 30},
        "network": {"endpoints": ["sts"], "availability_zones": 3, "nat": "per-az"},
        "replicator": {"timeout_seconds": 200},
        "edge": {"waf": True, "allow_from": ["198.51.100.0/24", "192.0.2.0/24"]},
        "app": {"max_instances": 3},
    },
}


@pytest.mark.parametrize("name", [STRICT, TRIAL])
def test_each_layer_is_updated_in_place_and_the_deployed_version_stays(
    account: Account, name: str, tmp_path: Path
) -> None:
    """By change sets, from a deployment file in which something of every layer is another."""
    label = _second_version(account, name, tmp_path)
    changed = account.deployment(name, CHANGES[name])
    results = deploy(account.work(changed))  # nobody agreed to lose anything
    assert {r.stack: r.outcome for r in results} == dict.fromkeys(
        (r.stack for r in results), StackOutcome.UPDATED
    )
    assert [str(c) for r in results for c in r.changes if c.endangers_data] == []
    environment = _environment(account, name)
    assert (environment["VersionLabel"], environment["Health"]) == (label, "Green")
    assert _options(account, name)["MaxSize"] == str(changed.app.max_instances)
    (database,) = account.client("rds").describe_db_instances(
        DBInstanceIdentifier=changed.database_identifier
    )["DBInstances"]
    assert database["BackupRetentionPeriod"] == changed.database.backup_days
    function = account.client("lambda").get_function_configuration(FunctionName=changed.function_name)
    assert function["Timeout"] == changed.replicator.timeout_seconds
    assert function["MemorySize"] == changed.replicator.memory_mb
    groups = account.client("logs").describe_log_groups(logGroupNamePrefix=f"/aws/rds/instance/{name}-")
    assert {group["retentionInDays"] for group in groups["logGroups"]} == {changed.logs.retention_days}
    assert _web_acl_limits(account, name) == [changed.edge.waf_requests_per_five_minutes]
    assert changed.replicator.schedule in _schedules(account, name)


def test_what_can_not_change_is_refused_before_anything_does(account: Account) -> None:
    """Beanstalk accepts the rules of a shared load balancer's listener only for a new environment."""
    other_range = {"network": {**CHANGES[TRIAL]["network"], "cidr": "10.99.0.0/16"}}
    for changes, why in (({"domain": {"name": "other.example.com"}}, "the domain of"), (other_range, "VPC")):
        wanted = {**CHANGES[TRIAL], **changes, "logs": {"retention_days": 90}}
        with pytest.raises(Refused, match=why):
            deploy(account.work(account.deployment(TRIAL, wanted)))
    assert _outcomes(deploy(account.work(account.deployment(TRIAL, CHANGES[TRIAL])))) == {
        StackOutcome.UNCHANGED
    }


def test_a_layer_that_holds_on_to_what_goes_is_named_before_anything_changes(account: Account) -> None:
    """The environment goes on asking for the proxy's host when only the data layer is deployed."""
    without = account.deployment(STRICT, {**CHANGES[STRICT], "database": {"mode": "iam"}})
    with pytest.raises(Refused, match=f"{STRICT}-environment imports"):
        deploy(account.work(without), ["data"])


def test_optional_parts_are_removed_in_an_order_that_cloudformation_accepts(account: Account) -> None:
    """A proxy after who used it, gateways after their alarms, an optional layer before what it stood on."""
    fewer = {**CHANGES[STRICT], "database": {**CHANGES[STRICT]["database"], "mode": "iam"}}
    results = deploy(account.work(account.deployment(STRICT, fewer)))
    order = [result.stack.removeprefix(f"{STRICT}-") for result in results]
    assert order.index("environment") < order.index("data")
    assert account.client("rds").describe_db_proxies()["DBProxies"] == []
    assert _environment(account, STRICT)["Health"] == "Green"
    deploy(account.work(account.deployment(STRICT, CHANGES[STRICT])))

    network = {**CHANGES[TRIAL]["network"], "nat": "single"}
    smaller = {**CHANGES[TRIAL], "network": network}
    elsewhere = OutsideVault(where="outside", cidrs=(Range("192.0.2.0/24"),))
    outside = account.deployment(TRIAL, smaller).model_copy(update={"vault": elsewhere})
    with pytest.raises(Refused, match=f"{TRIAL}-vault was not deleted"):
        deploy(account.work(outside))
    first, *others = deploy(account.work(outside, accepts_loss=True))
    assert (first.stack, first.outcome) == (f"{TRIAL}-vault", StackOutcome.DELETED)
    order = [result.stack.removeprefix(f"{TRIAL}-") for result in others]
    assert order.index("observability") < order.index("network")


def _schedules(account: Account, name: str) -> list[str]:
    rules = account.client("events").list_rules(NamePrefix=f"{name}-")["Rules"]
    return [rule["ScheduleExpression"] for rule in rules if "ScheduleExpression" in rule]


def _web_acl_limits(account: Account, name: str) -> list[int]:
    waf = account.client("wafv2")
    ours = [acl for acl in waf.list_web_acls(Scope="REGIONAL")["WebACLs"] if name in acl["Name"]]
    found = [waf.get_web_acl(Name=a["Name"], Scope="REGIONAL", Id=a["Id"])["WebACL"] for a in ours]
    return list(jmespath.search("[].Rules[].Statement.RateBasedStatement.Limit", found))


def _tags(account: Account, name: str) -> dict[str, str]:
    arn = _environment(account, name)["EnvironmentArn"]
    tagged = account.client("elasticbeanstalk").list_tags_for_resource(ResourceArn=arn)
    return {tag["Key"]: tag["Value"] for tag in tagged["ResourceTags"]}


def test_tags_change_in_place(account: Account) -> None:
    """Properties that the deployment file adds are set on the environment, and removed ones are deleted.

    The database changes otherwise as well: one update does both.
    """
    deploy(account.work(account.deployment(TRIAL, CHANGES[TRIAL])))
    before = _tags(account, TRIAL)
    for tags, database in (({"team": "web"}, {"backup_days": 5}), ({}, {})):
        changes = {"tags": tags, "database": {**CHANGES[TRIAL]["database"], **database}}
        results = deploy(account.work(account.deployment(TRIAL, {**CHANGES[TRIAL], **changes})))
        assert _outcomes(results) == {StackOutcome.UPDATED}
        assert [str(c) for r in results for c in r.changes if c.replacement is Replacement.YES] == []
        assert _tags(account, TRIAL) == before | tags


# Everything a deployment makes is named for it, or tagged.
NAMED: tuple[tuple[str, str, str, Mapping[str, Any]], ...] = (
    ("backup", "list_backup_vaults", "BackupVaultList[].BackupVaultName", {}),
    ("cloudformation", "describe_stacks", "Stacks[].StackName", {}),
    ("cloudformation", "list_exports", "Exports[].Name", {}),
    ("cloudwatch", "describe_alarms", "MetricAlarms[].AlarmName", {}),
    ("cloudwatch", "list_dashboards", "DashboardEntries[].DashboardName", {}),
    ("elasticbeanstalk", "describe_applications", "Applications[].ApplicationName", {}),
    (
        "elasticbeanstalk",
        "describe_environments",
        "Environments[].EnvironmentName",
        {"IncludeDeleted": False},
    ),
    ("elbv2", "describe_load_balancers", "LoadBalancers[].LoadBalancerName", {}),
    ("events", "list_event_buses", "EventBuses[].Name", {}),
    ("iam", "list_instance_profiles", "InstanceProfiles[].InstanceProfileName", {}),
    ("iam", "list_policies", "Policies[].PolicyName", {"Scope": "Local"}),
    ("iam", "list_roles", "Roles[].RoleName", {}),
    ("kms", "list_aliases", "Aliases[].AliasName", {}),
    ("lambda", "list_functions", "Functions[].FunctionName", {}),
    ("logs", "describe_log_groups", "logGroups[].logGroupName", {}),
    ("rds", "describe_db_instances", "DBInstances[].DBInstanceIdentifier", {}),
    ("rds", "describe_db_parameter_groups", "DBParameterGroups[].DBParameterGroupName", {}),
    ("rds", "describe_db_proxies", "DBProxies[].DBProxyName", {}),
    ("rds", "describe_db_snapshots", "DBSnapshots[].DBSnapshotIdentifier", {"SnapshotType": "manual"}),
    ("rds", "describe_db_subnet_groups", "DBSubnetGroups[].DBSubnetGroupName", {}),
    ("rds", "describe_event_subscriptions", "EventSubscriptionsList[].CustSubscriptionId", {}),
    ("s3", "list_buckets", "Buckets[].Name", {}),
    ("secretsmanager", "list_secrets", "SecretList[].Name", {}),
    ("sns", "list_topics", "Topics[].TopicArn", {}),
    ("sqs", "list_queues", "QueueUrls[]", {}),
    ("wafv2", "list_web_acls", "WebACLs[].Name", {"Scope": "REGIONAL"}),
)
# Of EC2, with what tells that one is there no more; moto doesn't filter all of them by tag.
TAGGED = (
    ("describe_addresses", "Addresses[]", "AllocationId"),
    ("describe_flow_logs", "FlowLogs[]", "FlowLogId"),
    ("describe_instances", "Reservations[].Instances[?State.Name!='terminated'][]", "InstanceId"),
    ("describe_internet_gateways", "InternetGateways[]", "InternetGatewayId"),
    ("describe_launch_templates", "LaunchTemplates[]", "LaunchTemplateId"),
    ("describe_nat_gateways", "NatGateways[?State!='deleted']", "NatGatewayId"),
    ("describe_route_tables", "RouteTables[]", "RouteTableId"),
    ("describe_security_groups", "SecurityGroups[]", "GroupId"),
    ("describe_subnets", "Subnets[]", "SubnetId"),
    (
        "describe_transit_gateway_attachments",
        "TransitGatewayAttachments[?State!='deleted']",
        "TransitGatewayAttachmentId",
    ),
    ("describe_volumes", "Volumes[]", "VolumeId"),
    ("describe_vpc_endpoints", "VpcEndpoints[?State!='deleted']", "VpcEndpointId"),
    ("describe_vpcs", "Vpcs[]", "VpcId"),
)


def _present(account: Account, name: str) -> set[str]:
    """Return what of a deployment is in the account, as `service: name`."""
    found = set()
    ours = re.compile(rf"(^|[^a-z0-9]){name}($|[^a-z0-9])")
    for service, operation, expression, arguments in NAMED:
        client = account.client(service)
        pages = (
            client.get_paginator(operation).paginate(**arguments)
            if client.can_paginate(operation)
            else [getattr(client, operation)(**arguments)]
        )
        names = [entry for page in pages for entry in jmespath.search(expression, page) or ()]
        found |= {f"{service}: {entry.rpartition(':')[2]}" for entry in names if ours.search(entry)}
    tag = {"Key": "beanvault:deployment", "Value": name}
    for operation, expression, identity in TAGGED:
        entries = jmespath.search(expression, getattr(account.client("ec2"), operation)())
        found |= {f"ec2: {entry[identity]}" for entry in entries if tag in entry.get("Tags", ())}
    return found


def _kinds(present: set[str]) -> set[str]:
    return {entry.partition(":")[0] for entry in present}


def test_a_trial_goes_without_a_trace(account: Account) -> None:
    """But for the database's last snapshot, and the keys that it and backups are encrypted with."""
    before = _present(account, TRIAL)
    assert len(before) > 100
    bucket = f"elasticbeanstalk-{REGION}-123456789012"
    s3 = account.client("s3")
    assert s3.list_objects_v2(Bucket=bucket, Prefix=f".beanvault/{TRIAL}/")["KeyCount"] > 0
    deployment = account.deployment(TRIAL, CHANGES[TRIAL])
    _require_what_the_vault_host_wrote(account, deployment)
    results = destroy(account.work(deployment, accepts_loss=True)).stacks
    assert _outcomes(results) == {StackOutcome.DELETED}
    published = account.client("ssm").get_parameters(Names=[ca_parameter(deployment)])
    assert published["Parameters"] == []
    zones = account.client("route53").list_hosted_zones_by_name(DNSName=f"{TRIAL}.internal")["HostedZones"]
    assert zones == []
    left = _present(account, TRIAL)
    assert {entry for entry in left if not entry.startswith("rds: ")} == set()
    assert all("snapshot" in entry for entry in left)
    for prefix in (f".beanvault/{TRIAL}/", f"{TRIAL}/"):
        versions = s3.list_object_versions(Bucket=bucket, Prefix=prefix)
        assert not versions.get("Versions")
        assert not versions.get("DeleteMarkers")
    assert account.client("acm").list_certificates()["CertificateSummaryList"] != []  # the neighbour's


def _require_what_the_vault_host_wrote(account: Account, deployment: Deployment) -> None:
    """Its address and its authority, which no stack holds. A zone with a record can't be deleted."""
    published = account.client("ssm").get_parameters(Names=[ca_parameter(deployment)])["Parameters"]
    assert [parameter["Value"][:11] for parameter in published] == ["-----BEGIN "]
    route53 = account.client("route53")
    (zone,) = route53.list_hosted_zones_by_name(DNSName=f"{TRIAL}.internal")["HostedZones"]
    records = route53.list_resource_record_sets(HostedZoneId=zone["Id"])["ResourceRecordSets"]
    assert f"{host_name(deployment)}." in {record["Name"] for record in records if record["Type"] == "A"}
    with pytest.raises(ClientError, match="HostedZoneNotEmpty"):
        route53.delete_hosted_zone(Id=zone["Id"])


def test_a_neighbour_does_not_notice(account: Account) -> None:
    """The other deployment, and the bucket they shared, are as they were."""
    assert _environment(account, STRICT)["Health"] == "Green"
    failed = _findings(account, account.deployment(STRICT, CHANGES[STRICT]))[Status.FAIL]
    assert {control for control, *_ in failed} <= NOT_OURS.keys(), failed


def test_what_is_protected_goes_only_when_that_is_agreed(account: Account) -> None:
    """Stack, database and load balancer; a refusal changes nothing of them."""
    deployment = account.deployment(STRICT, CHANGES[STRICT])
    with pytest.raises(Refused, match="is protected from deletion"):
        destroy(account.work(deployment))
    (balancer,) = account.client("elbv2").describe_load_balancers(Names=[f"{STRICT}-edge"])["LoadBalancers"]
    attributes = account.client("elbv2").describe_load_balancer_attributes(
        LoadBalancerArn=balancer["LoadBalancerArn"]
    )["Attributes"]
    assert {"Key": "deletion_protection.enabled", "Value": "true"} in attributes
    (database,) = account.client("rds").describe_db_instances(DBInstanceIdentifier=f"{STRICT}-database")[
        "DBInstances"
    ]
    assert database["DeletionProtection"]


def test_production_leaves_what_it_must_keep_and_nothing_else(account: Account) -> None:
    """Buckets, logs, backups, secrets; each a kind that the templates retain."""
    assert len(_present(account, STRICT)) > 100
    results = destroy(account.work(account.deployment(STRICT, CHANGES[STRICT]), accepts_loss=True)).stacks
    assert _outcomes(results) == {StackOutcome.DELETED}
    left = _present(account, STRICT)
    assert _kinds(left) == {"backup", "logs", "rds", "s3", "secretsmanager"}, left
    assert {entry for entry in left if entry.startswith("rds: ") and "snapshot" not in entry} == set()
    keys = account.client("kms")
    states = [
        keys.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["KeyState"] for key in keys.list_keys()["Keys"]
    ]
    assert set(states) == {"Enabled"}  # what stays can be read


def test_a_bucket_that_others_use_is_not_taken_along(account: Account) -> None:
    """The deployment that created Beanstalk's bucket can't delete it while others use it."""
    tables = {**account.files[TRIAL], "name": "maker", "region": ELSEWHERE}
    tables["storage"] = {"beanstalk_bucket": "create"}
    work = account.work(parse(tables), accepts_loss=True)
    deploy(work, ("keys", "storage"))
    bucket = f"elasticbeanstalk-{ELSEWHERE}-123456789012"
    s3 = account.aws.client("s3", ELSEWHERE)
    s3.put_object(Bucket=bucket, Key="others/version.zip", Body=b"bundle")
    s3.put_object(Bucket=bucket, Key="maker/version.zip", Body=b"bundle")
    with pytest.raises(Refused, match="others/"):
        destroy(work)
    assert s3.get_object(Bucket=bucket, Key="maker/version.zip")["Body"].read() == b"bundle"
    outside_stacks.empty(work.aws, bucket, "others/")
    assert _outcomes(destroy(work).stacks) == {StackOutcome.DELETED}
    assert bucket not in [entry["Name"] for entry in s3.list_buckets()["Buckets"]]
