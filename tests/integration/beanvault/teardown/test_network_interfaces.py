"""The interfaces of a deleted function are waited for, then deleted; those of others are left alone."""

from __future__ import annotations

import io
import uuid
import zipfile

import pytest

from beanvault.aws import Aws
from beanvault.polling import PollingClock
from beanvault.teardown.network_interfaces import delete_interfaces
from beanvault.ui import NullUi
from testbed.servers.localaws import REGION, LocalAws


def _zip() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("f.py", "def handler(event, context): return {}")
    return made.getvalue()


@pytest.fixture
def name() -> str:
    return f"eni-{uuid.uuid4().hex[:8]}"


def test_they_are_deleted_once_lambda_has_released_them(local_aws: LocalAws, name: str) -> None:
    ec2, functions, iam = (local_aws.client(each) for each in ("ec2", "lambda", "iam"))
    vpc = ec2.create_vpc(CidrBlock="10.79.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.79.1.0/24")["Subnet"]["SubnetId"]
    group = ec2.create_security_group(GroupName=name, Description="x", VpcId=vpc)["GroupId"]
    trust = '{"Version": "2012-10-17", "Statement": []}'
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    functions.create_function(
        FunctionName=f"{name}-replicator",
        Runtime="python3.13",
        Handler="f.handler",
        Role=role,
        Code={"ZipFile": _zip()},
        VpcConfig={"SubnetIds": [subnet], "SecurityGroupIds": [group]},
    )
    other = ec2.create_network_interface(SubnetId=subnet, Groups=[group], Description="somebody else's")
    functions.delete_function(FunctionName=f"{name}-replicator")

    def present() -> set[str]:
        filters = [{"Name": "group-id", "Values": [group]}]
        interfaces = ec2.describe_network_interfaces(Filters=filters)["NetworkInterfaces"]
        return {each["NetworkInterfaceId"] for each in interfaces}

    foreign = other["NetworkInterface"]["NetworkInterfaceId"]
    assert len(present()) == 2
    aws = Aws(local_aws.session(REGION), local_aws.endpoint)
    # Of another deployment, and without time: they stay.
    delete_interfaces(aws, NullUi(), "another", [group])
    late = iter([0.0, 0.0, 99_999.0, 99_999.0])
    delete_interfaces(aws, NullUi(), name, [group], PollingClock(lambda: next(late), lambda _: None))
    assert len(present()) == 2
    delete_interfaces(aws, NullUi(), name, [group])
    assert present() == {foreign}
    ec2.delete_network_interface(NetworkInterfaceId=foreign)
    ec2.delete_subnet(SubnetId=subnet)
    ec2.delete_security_group(GroupId=group)
