"""`verify` against an account: each control is broken by hand, is red, and is green again.

One deployment for the whole module; every test leaves it as it was.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import zip_longest
from pathlib import Path

import boto3
import pytest

from beanvault.aws import Aws
from beanvault.deployment.context import DeploymentContext
from beanvault.deployment.deploy import deploy
from beanvault.ui import NullUi
from beanvault.verify.model import Status
from beanvault.verify.run import CONTROLS
from templates.deployment_file import parse
from testbed.servers.authority import Authority
from testbed.servers.localaws import LocalAws
from testbed.servers.mariadb import MariaDB

from . import (
    support_breaks_database,
    support_breaks_edge,
    support_breaks_network,
    support_breaks_platform,
    support_breaks_replication,
    support_breaks_roles,
    support_breaks_storage,
)
from .support_breaks import NOT_BROKEN, UNTOUCHED_HERE, Break, Site, policy

TABLES = (
    support_breaks_network.BREAKS,
    support_breaks_edge.BREAKS,
    support_breaks_platform.BREAKS,
    support_breaks_storage.BREAKS,
    support_breaks_database.BREAKS,
    support_breaks_replication.BREAKS,
    support_breaks_roles.BREAKS,
)
WAVES = [tuple(filter(None, wave)) for wave in zip_longest(*TABLES)]
"""One break of each table at a time: they have no resource and no control in common."""
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
    """A deployment with everything that a control may be about."""
    gateway = account.client("ec2").create_transit_gateway()["TransitGateway"]["TransitGatewayId"]
    zone = account.client("route53").create_hosted_zone(Name="example.com", CallerReference="verify")
    file = tomllib.loads((ROOT / "config" / "production.toml").read_text())
    file["name"] = "broken"
    file["vault"]["transit_gateway_id"] = gateway
    file["domain"]["hosted_zone_id"] = zone["HostedZone"]["Id"].rpartition("/")[2]
    file["database"] |= {"mode": "proxy", "port": mariadb.port, "ca_file": str(authority.ca_file)}
    deployment = parse(file)
    aws = Aws(account.session(deployment.region), account.endpoint)
    deploy(DeploymentContext(deployment, aws, NullUi(agrees=True), ROOT))
    return Site(deployment, aws)


def test_nothing_is_red_before_anything_is_broken(site: Site) -> None:
    assert site.red() == set()


@pytest.mark.parametrize("wave", WAVES, ids=lambda wave: "+".join(each.name for each in wave))
def test_what_is_broken_by_hand_and_nothing_else_is_red(wave: tuple[Break, ...], site: Site) -> None:
    """What the wave before broke has to be whole again, or it is red here."""
    wanted = [control for each in wave for control in each.controls]
    assert len(set(wanted)) == len(wanted)
    with ExitStack() as stack:
        for each in wave:
            stack.enter_context(each.made(site))
        assert site.red() == set(wanted)


def test_everything_is_whole_again(site: Site) -> None:
    assert site.red() == set()


def test_each_control_is_broken_here_or_has_a_reason_not_to_be() -> None:
    broken = {control for table in TABLES for each in table for control in each.controls}
    assert broken | NOT_BROKEN.keys() == {control.id for control in CONTROLS}
    assert not broken & NOT_BROKEN.keys()


def _nearly_all(account: LocalAws, site: Site, denied: str, resource: str = "*") -> Aws:
    """Return AWS for somebody who may do everything but one thing."""
    iam, user = account.client("iam"), denied.replace(":", "-")
    iam.create_user(UserName=user)
    rights = policy(
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": denied, "Resource": resource},
    )
    iam.put_user_policy(UserName=user, PolicyName="nearly-all", PolicyDocument=rights)
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
def test_what_the_caller_may_not_ask_is_unknown_and_says_which_call(
    action: str, site: Site, account: LocalAws
) -> None:
    """One right taken from somebody who has all others; everything else is told as before."""
    found = site.findings(*UNTOUCHED_HERE, aws=_nearly_all(account, site, action))
    unknown = {each.id: each.evidence for each in found if each.status is Status.UNKNOWN}
    assert unknown.keys() == DENIED[action]
    assert all(f"AWS refused {action.partition(':')[2]} (" in each for each in unknown.values())
    assert {each.id for each in found if each.status is Status.FAIL} == set()


def test_what_failed_before_something_could_not_be_asked_stays_told(site: Site, account: LocalAws) -> None:
    """A bucket without versions is red although the caller may not ask for the other's."""
    s3 = site.client("s3")
    first, other = site.made("storage", "LogBucket"), site.made("storage", "BeanstalkBucket")
    half_blind = _nearly_all(account, site, "s3:GetBucketVersioning", f"arn:aws:s3:::{other}")
    s3.put_bucket_versioning(Bucket=first, VersioningConfiguration={"Status": "Suspended"})
    found = site.findings(*UNTOUCHED_HERE, aws=half_blind)
    s3.put_bucket_versioning(Bucket=first, VersioningConfiguration={"Status": "Enabled"})
    told = {(each.status, each.resource) for each in found if each.id == "S3.14"}
    assert told == {(Status.FAIL, first), (Status.UNKNOWN, "")}


def test_each_finding_has_an_id_of_its_own(site: Site) -> None:
    """Security Hub takes a second finding of the same id for news of the first."""
    found = site.findings(*UNTOUCHED_HERE)
    assert len({(each.id, each.resource) for each in found}) == len(found)


def test_a_remedy_names_the_deployment(site: Site) -> None:
    remedies = {each.id: each.remedy for each in site.findings(*UNTOUCHED_HERE)}
    assert "--environment-name broken-app" in remedies["EC2.8"]
    assert not [remedy for remedy in remedies.values() if "NAME" in remedy]
