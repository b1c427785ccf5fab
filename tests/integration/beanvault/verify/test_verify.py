"""Story of beanvault/verify/checks/, beanvault/verify/account/ and beanvault/verify/run.py.

`verify` against an account: each control fails after a manual change, and passes again afterwards.

One deployment for the whole module; every test restores it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import zip_longest
from pathlib import Path

import boto3
import pytest
from botocore.model import OperationModel

from beanvault.aws import Aws
from beanvault.deployment.deploy import deploy
from beanvault.deployment.deployment_context import DeploymentContext
from beanvault.ui import NullUi
from beanvault.verify.checks import CONTROLS
from beanvault.verify.model import Status
from templates.deployment_file import parse
from testbed.servers.authority import Authority
from testbed.servers.localaws import LocalAws
from testbed.servers.mariadb import MariaDB

from . import (
    support_breaks_database,
    support_breaks_edge,
    support_breaks_environment,
    support_breaks_network,
    support_breaks_replication,
    support_breaks_roles,
    support_breaks_storage,
)
from .support_breaks import NOT_BROKEN, NOT_MET_HERE, Break, Site, policy

TABLES = (
    support_breaks_network.BREAKS,
    support_breaks_edge.BREAKS,
    support_breaks_environment.BREAKS,
    support_breaks_storage.BREAKS,
    support_breaks_database.BREAKS,
    support_breaks_replication.BREAKS,
    support_breaks_roles.BREAKS,
)
WAVES = [tuple(filter(None, wave)) for wave in zip_longest(*TABLES)]
"""One break of each table at a time: the tables share no resource and no control."""
ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory, mariadb: MariaDB) -> Iterator[LocalAws]:
    aws = LocalAws.start(tmp_path_factory.mktemp("verify"), mariadb)
    try:
        yield aws
    finally:
        aws.stop()


@pytest.fixture(scope="module")
def site(account: LocalAws, authority: Authority, mariadb: MariaDB) -> Site:
    """A deployment with a resource for every control."""
    gateway = account.client("ec2").create_transit_gateway()["TransitGateway"]["TransitGatewayId"]
    zone = account.client("route53").create_hosted_zone(Name="example.com", CallerReference="verify")
    file = tomllib.loads((ROOT / "config" / "production.toml").read_text())
    file["name"] = "broken"
    file["vault"]["transit_gateway_id"] = gateway
    file["domain"]["hosted_zone_id"] = zone["HostedZone"]["Id"].rpartition("/")[2]
    file["database"] |= {"mode": "proxy", "port": mariadb.port, "ca_file": str(authority.ca_file)}
    account.client("ec2").enable_ebs_encryption_by_default()  # the account's own choice
    deployment = parse(file)
    aws = Aws(account.session(deployment.region), account.endpoint)
    deploy(DeploymentContext(deployment, aws, NullUi(agrees=True), ROOT))
    return Site(deployment, aws)


def test_every_control_is_met_after_the_deployment(site: Site) -> None:
    assert site.failing() == set()


@pytest.mark.parametrize("wave", WAVES, ids=lambda wave: "+".join(each.name for each in wave))
def test_a_manual_change_fails_the_expected_controls_and_no_others(
    wave: tuple[Break, ...], site: Site
) -> None:
    """What the previous wave broke has to be restored, or it fails here."""
    expected = [control for each in wave for control in each.controls]
    assert len(set(expected)) == len(expected)
    with ExitStack() as stack:
        for each in wave:
            stack.enter_context(each.applied(site))
        assert site.failing() == set(expected)


def test_every_control_is_met_again(site: Site) -> None:
    assert site.failing() == set()


def test_each_control_has_a_break_or_a_reason_for_none() -> None:
    broken = {control for table in TABLES for each in table for control in each.controls}
    assert broken | NOT_BROKEN.keys() == {control.id for control in CONTROLS}
    assert not broken & NOT_BROKEN.keys()


def _nearly_all(account: LocalAws, site: Site, denied: str, resource: str = "*") -> Aws:
    """Return AWS for a user who is allowed everything but one action."""
    iam, user = account.client("iam"), denied.replace(":", "-")
    iam.create_user(UserName=user)
    document = policy(
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": denied, "Resource": resource},
    )
    iam.put_user_policy(UserName=user, PolicyName="nearly-all", PolicyDocument=document)
    key = iam.create_access_key(UserName=user)["AccessKey"]
    session = boto3.session.Session(
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
        region_name=site.deployment.region,
    )
    return Aws(session, account.endpoint)


DENIED = {
    "cloudwatch:DescribeAlarms": {"BV.ALARM1", "CloudWatch.15"},
    "ec2:DescribeFlowLogs": {"EC2.6"},
    "iam:GetRole": {"BV.ROLE1"},
    "kms:GetKeyRotationStatus": {"KMS.4"},
    "lambda:GetPolicy": {"Lambda.1"},
    "logs:DescribeLogGroups": {"BV.LOG1"},
    "rds:DescribeDBParameters": {"RDS.39"},
    "sns:GetTopicAttributes": {"SNS.1"},
    "wafv2:GetLoggingConfiguration": {"WAF.11"},
}


@pytest.mark.parametrize("action", DENIED)
def test_a_denied_call_makes_its_controls_unknown_and_is_named(
    action: str, site: Site, account: LocalAws
) -> None:
    """One permission is missing; all other controls have the same findings as before."""
    found = site.findings(*NOT_MET_HERE, aws=_nearly_all(account, site, action))
    unknown = {each.id: each.evidence for each in found if each.status is Status.UNKNOWN}
    assert unknown.keys() == DENIED[action]
    assert all(f"AWS refused {action.partition(':')[2]} (" in each for each in unknown.values())
    assert {each.id for each in found if each.status is Status.FAIL} == set()


def test_findings_before_a_denied_call_are_kept(site: Site, account: LocalAws) -> None:
    """A bucket without versioning fails although the call for the other one is denied."""
    s3 = site.client("s3")
    first, other = site.physical_id("storage", "LogBucket"), site.physical_id("storage", "BeanstalkBucket")
    partly_denied = _nearly_all(account, site, "s3:GetBucketVersioning", f"arn:aws:s3:::{other}")
    s3.put_bucket_versioning(Bucket=first, VersioningConfiguration={"Status": "Suspended"})
    found = site.findings(*NOT_MET_HERE, aws=partly_denied)
    s3.put_bucket_versioning(Bucket=first, VersioningConfiguration={"Status": "Enabled"})
    results = {(each.status, each.resource) for each in found if each.id == "S3.14"}
    assert results == {(Status.FAIL, first), (Status.UNKNOWN, "")}


RETURNS_VALUES = ("GetSecretValue", "BatchGetSecretValue", "GetParameter", "GetObject", "Decrypt")


def test_verify_only_reads_and_requests_no_secret_value(site: Site, account: LocalAws) -> None:
    """As its report claims, except for the dry run of BV.SM2; every operation it calls is recorded."""
    session, called = account.session(site.deployment.region), set()

    def record(model: OperationModel, **_: object) -> None:
        called.add((model.service_model.service_name, model.name))

    session.events.register("before-call", record)
    findings = site.findings(aws=Aws(session, account.endpoint))
    assert {finding.id for finding in findings} == {control.id for control in CONTROLS}
    others = {each for each in called if not each[1].startswith(("Describe", "Get", "List"))}
    assert others == {("lambda", "Invoke")}
    assert not [name for _, name in called if name.startswith(RETURNS_VALUES)]
    assert len(called) > 40


def test_each_finding_has_an_id_of_its_own(site: Site) -> None:
    """Security Hub treats a second finding of the same id as an update of the first."""
    found = site.findings(*NOT_MET_HERE)
    assert len({(each.id, each.resource) for each in found}) == len(found)


def test_a_remedy_names_the_deployment(site: Site) -> None:
    remedies = {each.id: each.remedy for each in site.findings(*NOT_MET_HERE)}
    assert "--environment-name broken-app" in remedies["EC2.8"]
    assert not [remedy for remedy in remedies.values() if "NAME" in remedy]
