"""Story of testbed/localaws/services/.

Mistakes of moto, and their corrections in the local AWS.

A `test_moto_…` shows the mistake. If it fails, moto has fixed it, and the correction can be removed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from testbed.servers.localaws import LocalAws

REGION = "us-east-1"
WEB_TIER = "arn:aws:iam::aws:policy/AWSElasticBeanstalkWebTier"


@pytest.fixture
def moto(monkeypatch: pytest.MonkeyPatch) -> Iterator[boto3.session.Session]:
    """Plain moto in this process, without the local AWS's corrections."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    with mock_aws():
        yield boto3.session.Session(region_name=REGION)


@pytest.fixture
def corrected(local_aws: LocalAws) -> Any:
    return _Corrected(local_aws)


class _Corrected:
    def __init__(self, aws: LocalAws) -> None:
        self._aws = aws

    def client(self, service: str) -> Any:
        return self._aws.client(service, REGION)


def _log_to_a_bucket_whose_policy_names_everybody(session: Any) -> dict[str, Any]:
    s3 = session.client("s3")
    objects = "arn:aws:s3:::corrections-log/*"
    never = {"Bool": {"aws:SecureTransport": "nobody"}}
    service = {"Service": "logging.s3.amazonaws.com"}
    statements = [
        {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": objects, "Condition": never},
        {"Effect": "Allow", "Principal": service, "Action": ["s3:PutObject"], "Resource": objects},
    ]
    policy = {"Version": "2012-10-17", "Statement": statements}
    s3.create_bucket(Bucket="corrections-log")
    s3.create_bucket(Bucket="corrections-source")
    s3.put_bucket_policy(Bucket="corrections-log", Policy=json.dumps(policy))
    logging = {"LoggingEnabled": {"TargetBucket": "corrections-log", "TargetPrefix": ""}}
    s3.put_bucket_logging(Bucket="corrections-source", BucketLoggingStatus=logging)
    found: dict[str, Any] = s3.get_bucket_logging(Bucket="corrections-source")["LoggingEnabled"]
    return found


def test_moto_fails_on_a_log_buckets_policy_with_a_star(moto: Any) -> None:
    with pytest.raises(AttributeError, match="'str' object has no attribute 'get'"):
        _log_to_a_bucket_whose_policy_names_everybody(moto)


def test_access_logs_go_to_a_bucket_whose_policy_names_everybody(corrected: Any) -> None:
    assert _log_to_a_bucket_whose_policy_names_everybody(corrected)["TargetBucket"] == "corrections-log"


def _modify_a_subnet_group(session: Any) -> list[Any]:
    ec2, rds = session.client("ec2"), session.client("rds")
    vpc = ec2.create_vpc(CidrBlock="10.77.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.77.{n}.0/24", AvailabilityZone=f"{REGION}{z}")["Subnet"][
            "SubnetId"
        ]
        for n, z in enumerate("ab")
    ]
    rds.create_db_subnet_group(
        DBSubnetGroupName="corrections", DBSubnetGroupDescription="one", SubnetIds=subnets
    )
    rds.modify_db_subnet_group(
        DBSubnetGroupName="corrections", DBSubnetGroupDescription="two", SubnetIds=subnets
    )
    found: list[Any] = rds.describe_db_subnet_groups(DBSubnetGroupName="corrections")["DBSubnetGroups"]
    return found


def test_moto_loses_a_modified_subnet_group(moto: Any) -> None:
    with pytest.raises(ClientError, match="DBSubnetGroupNotFoundFault"):
        _modify_a_subnet_group(moto)


def test_a_modified_subnet_group_is_kept(corrected: Any) -> None:
    (group,) = _modify_a_subnet_group(corrected)
    assert group["DBSubnetGroupDescription"] == "two"


def _make_an_option_group(session: Any) -> str:
    rds = session.client("rds")
    group = rds.create_option_group(
        OptionGroupName="corrections",
        EngineName="mysql",
        MajorEngineVersion="8.4",
        OptionGroupDescription="o",
    )["OptionGroup"]
    return str(group["MajorEngineVersion"])


def test_moto_knows_no_options_for_mysql_after_8_0(moto: Any) -> None:
    with pytest.raises(ClientError, match=r"Cannot find major version 8\.4"):
        _make_an_option_group(moto)


def test_options_can_be_made_for_mysql_8_4(corrected: Any) -> None:
    assert _make_an_option_group(corrected) == "8.4"


def _attach_an_aws_managed_policy(session: Any) -> list[str]:
    iam = session.client("iam")
    trust = {"Version": "2012-10-17", "Statement": []}
    iam.create_role(RoleName="corrections", AssumeRolePolicyDocument=json.dumps(trust))
    iam.attach_role_policy(RoleName="corrections", PolicyArn=WEB_TIER)
    document = iam.get_policy_version(
        PolicyArn=WEB_TIER, VersionId=iam.get_policy(PolicyArn=WEB_TIER)["Policy"]["DefaultVersionId"]
    )["PolicyVersion"]["Document"]
    return [statement["Effect"] for statement in document["Statement"]]


def test_moto_does_not_know_aws_managed_policies_at_the_start(moto: Any) -> None:
    with pytest.raises(ClientError, match="NoSuchEntity"):
        _attach_an_aws_managed_policy(moto)


def test_an_aws_managed_policy_is_attached_with_its_statements(corrected: Any) -> None:
    assert set(_attach_an_aws_managed_policy(corrected)) == {"Allow"}


def test_a_managed_policy_that_aws_does_not_have_is_refused(corrected: Any) -> None:
    with pytest.raises(ClientError, match="NoSuchEntity"):
        corrected.client("iam").get_policy(PolicyArn="arn:aws:iam::aws:policy/NoSuchPolicyAtAll")


def _zone(session: Any) -> str:
    zone = session.client("route53").create_hosted_zone(Name="corrections.example", CallerReference="c")
    return str(zone["HostedZone"]["Id"].rpartition("/")[2])


def test_moto_makes_zone_ids_that_are_too_long(moto: Any) -> None:
    assert len(_zone(moto)) == 22


def test_a_hosted_zone_has_an_id_as_real_ones_have(corrected: Any) -> None:
    zone = _zone(corrected)
    assert zone.startswith("Z")
    assert len(zone) == 21


def _managed_passwords(session: Any) -> set[str]:
    rds, manager = session.client("rds"), session.client("secretsmanager")
    passwords = set()
    for name in ("corrections-a", "corrections-b"):
        instance = rds.create_db_instance(
            DBInstanceIdentifier=name,
            DBInstanceClass="db.t4g.micro",
            Engine="mysql",
            AllocatedStorage=20,
            MasterUsername=name.replace("-", "_"),
            ManageMasterUserPassword=True,
        )["DBInstance"]
        value = manager.get_secret_value(SecretId=instance["MasterUserSecret"]["SecretArn"])["SecretString"]
        passwords.add(json.loads(value)["password"])
        rds.delete_db_instance(DBInstanceIdentifier=name, SkipFinalSnapshot=True)
    return passwords


def test_moto_gives_every_instance_the_same_managed_password(moto: Any) -> None:
    assert len(_managed_passwords(moto)) == 1


def test_every_instance_has_a_managed_password_of_its_own(corrected: Any) -> None:
    assert len(_managed_passwords(corrected)) == 2


def _delete_an_endpoint_with_one_more_table(session: Any) -> str:
    ec2 = session.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.78.0.0/16")["Vpc"]["VpcId"]
    one, other = (ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"] for _ in range(2))
    endpoint = ec2.create_vpc_endpoint(
        VpcId=vpc, ServiceName=f"com.amazonaws.{REGION}.s3", VpcEndpointType="Gateway", RouteTableIds=[one]
    )["VpcEndpoint"]["VpcEndpointId"]
    ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, AddRouteTableIds=[other])
    ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint])
    (found,) = ec2.describe_vpc_endpoints(VpcEndpointIds=[endpoint])["VpcEndpoints"]
    return str(found["State"])


def test_moto_does_not_delete_an_endpoint_with_one_more_table(moto: Any) -> None:
    with pytest.raises(ClientError, match="InvalidRoute"):
        _delete_an_endpoint_with_one_more_table(moto)


def test_an_endpoint_with_one_more_table_is_deleted(corrected: Any) -> None:
    assert _delete_an_endpoint_with_one_more_table(corrected) == "deleted"


def _delete_a_protected_load_balancer(session: Any) -> None:
    ec2, elb = session.client("ec2"), session.client("elbv2")
    vpc = ec2.create_vpc(CidrBlock="10.79.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.79.0.0/24")["Subnet"]["SubnetId"]
    made = elb.create_load_balancer(Name="corrections", Subnets=[subnet])["LoadBalancers"][0]
    elb.modify_load_balancer_attributes(
        LoadBalancerArn=made["LoadBalancerArn"],
        Attributes=[{"Key": "deletion_protection.enabled", "Value": "true"}],
    )
    elb.delete_load_balancer(LoadBalancerArn=made["LoadBalancerArn"])


def test_moto_deletes_a_protected_load_balancer(moto: Any) -> None:
    _delete_a_protected_load_balancer(moto)
    assert moto.client("elbv2").describe_load_balancers()["LoadBalancers"] == []


def test_a_protected_load_balancer_is_not_deleted(corrected: Any) -> None:
    with pytest.raises(ClientError, match="OperationNotPermitted"):
        _delete_a_protected_load_balancer(corrected)


def _zones(session: Any, **filters: str) -> list[str]:
    asked = [{"Name": name.replace("_", "-"), "Values": [value]} for name, value in filters.items()]
    zones = session.client("ec2").describe_availability_zones(Filters=asked)["AvailabilityZones"]
    return [zone["ZoneName"] for zone in zones]


def test_moto_shows_zones_in_one_order_and_no_local_zone(moto: Any) -> None:
    assert {tuple(_zones(moto)) for _ in range(3)} == {tuple(f"{REGION}{letter}" for letter in "abcdef")}


def test_zones_come_in_any_order_with_the_local_zones_that_were_opted_in_to(corrected: Any) -> None:
    assert len({tuple(_zones(corrected)) for _ in range(3)}) > 1
    assert f"{REGION}-ham-1a" in _zones(corrected)
    assert _zones(corrected, opt_in_status="opted-in") == [f"{REGION}-ham-1a"]
    assert sorted(_zones(corrected, zone_type="availability-zone", state="available")) == [
        f"{REGION}{letter}" for letter in "abcdef"
    ]


def test_moto_leaves_an_unknown_tls_policy_out(moto: Any) -> None:
    assert moto.client("elbv2").describe_ssl_policies(Names=["none"])["SslPolicies"] == []


def test_an_unknown_tls_policy_is_an_error(corrected: Any) -> None:
    elb = corrected.client("elbv2")
    known = "ELBSecurityPolicy-TLS13-1-2-2021-06"
    assert [each["Name"] for each in elb.describe_ssl_policies(Names=[known])["SslPolicies"]] == [known]
    with pytest.raises(ClientError, match="SSLPolicyNotFound"):
        elb.describe_ssl_policies(Names=[known, "none"])


def _database(session: Any) -> tuple[Any, str]:
    rds = session.client("rds")
    made = rds.create_db_instance(
        DBInstanceIdentifier="corrections",
        DBInstanceClass="db.t4g.micro",
        Engine="mysql",
        EngineVersion="8.4",
        AllocatedStorage=20,
        MasterUsername="corrections_master",
        MasterUserPassword="not-a-secret",
    )["DBInstance"]
    return rds, str(made["EngineVersion"])


def test_moto_runs_a_series_as_if_it_were_a_version(moto: Any) -> None:
    assert _database(moto)[1] == "8.4"


def test_a_series_is_run_as_its_default_minor_version_which_is_never_taken_back(corrected: Any) -> None:
    rds, version = _database(corrected)
    (default,) = rds.describe_db_engine_versions(Engine="mysql", EngineVersion="8.4", DefaultOnly=True)[
        "DBEngineVersions"
    ]
    every = rds.describe_db_engine_versions(Engine="mysql", EngineVersion="8.4")["DBEngineVersions"]
    assert version == default["EngineVersion"]
    rds.modify_db_instance(DBInstanceIdentifier="corrections", EngineVersion="8.4")
    (older, *_) = (each["EngineVersion"] for each in every if each["EngineVersion"] != version)
    with pytest.raises(ClientError, match=f"Cannot upgrade mysql from {version} to {older}"):
        rds.modify_db_instance(DBInstanceIdentifier="corrections", EngineVersion=older)
    assert rds.describe_db_instances()["DBInstances"][0]["EngineVersion"] == version
    rds.delete_db_instance(DBInstanceIdentifier="corrections", SkipFinalSnapshot=True)


def test_moto_has_no_class_of_mysql_to_order(moto: Any) -> None:
    options = moto.client("rds").describe_orderable_db_instance_options(Engine="mysql")
    assert options["OrderableDBInstanceOptions"] == []


def test_what_rds_offers_can_be_asked_for(corrected: Any) -> None:
    rds = corrected.client("rds")
    (option,) = rds.describe_orderable_db_instance_options(
        Engine="mysql", EngineVersion="8.4.8", DBInstanceClass="db.t4g.micro"
    )["OrderableDBInstanceOptions"]
    assert len(option["AvailabilityZones"]) == 6
    (major,) = rds.describe_db_major_engine_versions(Engine="mysql", MajorEngineVersion="8.4")[
        "DBMajorEngineVersions"
    ]
    assert major["SupportedEngineLifecycles"][0]["LifecycleSupportEndDate"].year == 2029
    (authority,) = rds.describe_certificates(CertificateIdentifier="rds-ca-rsa4096-g1")["Certificates"]
    assert authority["ValidTill"].year == 2121
    with pytest.raises(ClientError, match="CertificateNotFound"):
        rds.describe_certificates(CertificateIdentifier="rds-ca-2015")
