"""`templates.regions`: each region that a deployment file accepts has all that a deployment needs there.

The table is compared with what is published: botocore's endpoints, cfn-lint's schemas, the EB CLI's names of
Beanstalk's buckets, and the RDS authorities in the app's bundle.
"""

import json
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from importlib import resources as files
from typing import Any, get_args

import boto3
import pytest
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER
from cryptography import x509

from eb_app.settings import RDS_AUTHORITIES
from templates.aws_versions import DATABASE_CERTIFICATE_AUTHORITY
from templates.deployment import Deployment
from templates.deployment_file import DeploymentFileError, parse
from templates.deployment_values import InterfaceEndpoint
from templates.network_layer import build
from templates.regions import REGIONS, SECONDARY_REGIONS, WITH_AUTHORITIES, WITHOUT_AUTHORITIES
from tests.unit.templates.eb_cli_buckets import env_resources_buckets
from tests.unit.templates.renders import CONFIGURATIONS, FILES, deployment, layers

SERVICES = (
    *("acm", "application-autoscaling", "autoscaling", "backup", "cloudformation", "cloudwatch", "ec2"),
    *("elasticbeanstalk", "elbv2", "events", "iam", "kms", "lambda", "logs", "rds", "s3", "secretsmanager"),
    *("sns", "sqs", "ssm", "sts", "wafv2", "xray"),
)
"""All that a deployment calls or creates something in, as boto3 names them."""
GLOBAL = frozenset({"iam"})

REGION = pytest.mark.parametrize("region", sorted(REGIONS))


def in_region(region: str) -> Deployment:
    """Return the smallest deployment in a region, with all endpoints."""
    tables: dict[str, Any] = {"name": "unit", "region": region, "vault": {"where": "host"}}
    tables["network"] = {"endpoints": list(get_args(InterfaceEndpoint))}
    if region in WITHOUT_AUTHORITIES:
        tables["database"] = {"ca_file": "authorities.pem"}
    return parse(tables)


def refused(**changes: Any) -> str:
    with pytest.raises(DeploymentFileError) as caught:
        parse({"name": "unit", "region": "eu-central-1", "vault": {"where": "host"}} | changes)
    return str(caught.value)


def _published_authorities() -> dict[str, set[str]]:
    """Return the kinds of authorities by region, from the certificates themselves."""
    found: dict[str, set[str]] = {}
    for authority in x509.load_pem_x509_certificates(RDS_AUTHORITIES.read_bytes()):
        name = str(authority.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value)
        match = re.fullmatch(r"Amazon RDS (\S+) Root CA (\S+) (\S+)", name)
        assert match, name
        found.setdefault(match[1], set()).add(f"rds-ca-{match[2]}-{match[3]}".lower())
    return found


def test_the_regions_are_those_with_beanstalk() -> None:
    """A region that AWS adds comes with a new botocore, and fails here until somebody looked at it."""
    session = boto3.session.Session()
    assert set(session.get_available_regions("elasticbeanstalk", "aws")) == REGIONS
    assert set(session.get_available_regions("secretsmanager", "aws")) == SECONDARY_REGIONS


@pytest.mark.parametrize("service", sorted(set(SERVICES) - GLOBAL))
def test_every_service_is_in_every_region(service: str) -> None:
    assert set(boto3.session.Session().get_available_regions(service, "aws")) >= REGIONS


def test_the_authorities_are_those_in_the_bundle() -> None:
    """Parsed from the certificates; the one in use is among each region's."""
    published = _published_authorities()
    assert published.keys() == WITH_AUTHORITIES
    assert all(DATABASE_CERTIFICATE_AUTHORITY.in_use in kinds for kinds in published.values())
    assert WITH_AUTHORITIES.isdisjoint(WITHOUT_AUTHORITIES)


@REGION
def test_a_region_without_authorities_in_the_bundle_needs_a_file(region: str) -> None:
    if region in _published_authorities():
        assert parse({"name": "unit", "region": region, "vault": {"where": "host"}}).region == region
        return
    assert f"download https://truststore.pki.rds.amazonaws.com/{region}/{region}-bundle.pem" in refused(
        region=region
    )
    assert in_region(region).region == region


@REGION
def test_every_resource_type_is_in_the_region(region: str) -> None:
    """By cfn-lint's schemas, for all configurations."""
    types = {
        resource["Type"]
        for configuration in CONFIGURATIONS
        for template in layers(configuration).values()
        for resource in template["Resources"].values()
        if not resource["Type"].startswith("Custom::")
    }
    assert len(types) > 60
    for each in types:
        assert PROVIDER_SCHEMA_MANAGER.get_resource_schema(region, each), each  # raises where it is missing


def _readable_buckets(region: str) -> Iterator[str]:
    """Yield the patterns of buckets that anybody in the VPC can download from."""
    endpoint = json.loads(build(in_region(region)).to_json())["Resources"]["S3Endpoint"]["Properties"]
    for statement in endpoint["PolicyDocument"]["Statement"]:
        if statement["Action"] == ["s3:GetObject"]:
            for resource in statement["Resource"]:
                name = resource["Fn::Sub"].removeprefix("arn:${AWS::Partition}:s3:::").removesuffix("/*")
                yield name.replace("${AWS::Region}", region)


@REGION
def test_an_instance_can_download_its_platform(region: str) -> None:
    """By the EB CLI's own names, which have a suffix in nine regions; the other bucket has the same suffix.

    https://docs.aws.amazon.com/elasticbeanstalk/latest/dg/vpc-vpce.policy.html
    """
    resources = env_resources_buckets(REGIONS)[region]
    needed = {
        *(resources, resources.replace("env-resources", "platform-assets")),
        *(f"elasticbeanstalk-{region}", f"elasticbeanstalk-samples-{region}"),
        *(f"al2023-repos-{region}-de612dc2", f"amazon-ssm-{region}"),
    }
    patterns = list(_readable_buckets(region))
    assert not [name for name in needed if not any(fnmatchcase(name, each) for each in patterns)]
    foreign = (f"elasticbeanstalk-{region}-123456789012", "al2023-repos-eu-north-9-de612dc2", "mine")
    assert not [name for name in foreign if any(fnmatchcase(name, each) for each in patterns)]


@REGION
def test_endpoints_are_named_as_the_regions(region: str) -> None:
    resources = json.loads(build(in_region(region)).to_json())["Resources"].values()
    names = {r["Properties"]["ServiceName"] for r in resources if r["Type"] == "AWS::EC2::VPCEndpoint"}
    assert names == {f"com.amazonaws.{region}.{service}" for service in ("s3", *get_args(InterfaceEndpoint))}


@pytest.mark.parametrize(
    ("region", "reason"),
    [
        ("cn-north-1", "the regions of China are not supported"),
        ("cn-northwest-1", "the regions of China are not supported"),
        ("us-gov-west-1", "the GovCloud regions are not supported"),
        ("us-gov-east-1", "the GovCloud regions are not supported"),
        ("ap-east-2", "Elastic Beanstalk is not available in ap-east-2"),
        ("mx-central-1", "Elastic Beanstalk is not available in mx-central-1"),
        ("eusc-de-east-1", "not a region that beanvault knows"),
        ("us-iso-east-1", "not a region that beanvault knows"),
        ("eu-central-9", "did you mean 'eu-central-"),
    ],
)
def test_another_region_is_refused_with_the_reason_and_the_regions(region: str, reason: str) -> None:
    text = refused(region=region)
    assert reason in text
    assert all(each in text for each in REGIONS)


@pytest.mark.parametrize("region", ["cn-north-1", "us-gov-west-1", "us-gov-east-1"])
def test_no_region_of_another_partition_is_suggested_instead(region: str) -> None:
    assert "did you mean" not in refused(region=region)


def test_no_region_of_any_partition_is_between() -> None:
    """Each that botocore knows is accepted, or refused with a reason."""
    session = boto3.session.Session()
    for partition in session.get_available_partitions():
        for region in session.get_available_regions("ec2", partition):
            if region not in REGIONS:
                assert region in refused(region=region) or "not supported" in refused(region=region)


def test_replicas_and_vault_can_be_in_regions_without_beanstalk() -> None:
    tables = {"name": "unit", "region": "eu-central-1", "vault": {"where": "host"}}
    assert parse(tables | {"replicator": {"replica_regions": ["mx-central-1", "ap-east-2"]}})


def _offered(kind: str, file: str, region: str, engine: str = "") -> set[str]:
    """Return the instance types or classes that cfn-lint's data has for a region."""
    text = files.files(f"cfnlint.data.schemas.extensions.{kind}").joinpath(file).read_text()
    data = json.loads(text)[region]
    if not engine:
        return set(data["enum"])
    return {
        each
        for rule in data["allOf"]
        if rule["if"]["properties"]["Engine"] == {"const": engine}
        for each in rule["then"]["properties"]["DBInstanceClass"]["enum"]
    }


@pytest.mark.parametrize("file", FILES)
def test_the_examples_can_be_deployed_in_their_region(file: str) -> None:
    """Elsewhere `doctor` asks AWS: some regions lack the types and classes of the examples."""
    described = deployment(file)
    types = _offered("aws_ec2_instance", "instancetype_enum.json", described.region)
    assert set(described.app.instance_types) <= types
    classes = _offered("aws_rds_dbinstance", "dbinstanceclass_enum.json", described.region, "mysql")
    assert described.database.instance_class in classes
    assert "db.t4g.micro" not in _offered(
        "aws_rds_dbinstance", "dbinstanceclass_enum.json", "ca-west-1", "mysql"
    )
