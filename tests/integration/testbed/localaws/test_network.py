"""Story of testbed/localaws/services/ec2.py and testbed/localaws/cloudformation/types/network.py.

Ways into networks of other accounts: peerings that somebody has to accept, and shared transit gateways.
"""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError

from testbed.servers.localaws import REGION, LocalAws

THEIRS = "210987654321"
OURS = "123456789012"
ELSEWHERE = "eu-west-1"


def _client(aws: LocalAws, service: str, account: str, region: str = REGION) -> Any:
    """Return the operator's client in any account."""
    session: Any = aws.session(region)
    client = session.client(service, endpoint_url=aws.endpoint)
    client.meta.events.register(
        "before-sign", lambda request, **_: request.headers.add_header("x-moto-account-id", account)
    )
    return client


def _vpc(ec2: Any, cidr: str) -> str:
    return str(ec2.create_vpc(CidrBlock=cidr)["Vpc"]["VpcId"])


def _gateway(aws: LocalAws, account: str, *, shared: bool = True, accepts: str = "disable") -> str:
    ec2 = _client(aws, "ec2", account)
    options = {"AutoAcceptSharedAttachments": accepts}
    made = ec2.create_transit_gateway(Options=options)["TransitGateway"]
    if shared and account != OURS:
        _client(aws, "ram", account).create_resource_share(
            name=f"share-{uuid.uuid4()}", resourceArns=[made["TransitGatewayArn"]], principals=[OURS]
        )
    return str(made["TransitGatewayId"])


def _attached(aws: LocalAws, gateway: str) -> tuple[Any, str, str]:
    """Return EC2, a route table of a VPC that is attached to the gateway, and the attachment's state."""
    ec2 = aws.client("ec2")
    vpc = _vpc(ec2, "10.7.0.0/16")
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.7.1.0/24")["Subnet"]["SubnetId"]
    made = ec2.create_transit_gateway_vpc_attachment(TransitGatewayId=gateway, VpcId=vpc, SubnetIds=[subnet])[
        "TransitGatewayVpcAttachment"
    ]
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    return ec2, str(table), str(made["State"])


@pytest.mark.parametrize(
    ("account", "accepts", "state"),
    [
        (OURS, "disable", "available"),
        (THEIRS, "enable", "available"),
        (THEIRS, "disable", "pendingAcceptance"),
    ],
)
def test_a_shared_gateway_is_attached_at_once_only_if_it_accepts_by_itself(
    local_aws: LocalAws, account: str, accepts: str, state: str
) -> None:
    """And only then can a route lead to it."""
    gateway = _gateway(local_aws, account, accepts=accepts)
    (shown,) = local_aws.client("ec2").describe_transit_gateways(TransitGatewayIds=[gateway])[
        "TransitGateways"
    ]
    assert (shown["OwnerId"], shown["Options"]["AutoAcceptSharedAttachments"]) == (account, accepts)
    ec2, table, found = _attached(local_aws, gateway)
    assert found == state
    route = {"RouteTableId": table, "DestinationCidrBlock": "10.90.0.0/24", "TransitGatewayId": gateway}
    if state == "available":
        assert ec2.create_route(**route)["Return"]
    else:
        with pytest.raises(ClientError, match=r"InvalidTransitGatewayID\.NotFound"):
            ec2.create_route(**route)


def test_a_gateway_that_is_not_shared_is_not_known(local_aws: LocalAws) -> None:
    gateway = _gateway(local_aws, THEIRS, shared=False)
    with pytest.raises(ClientError, match=r"InvalidTransitGatewayID\.NotFound"):
        local_aws.client("ec2").describe_transit_gateways(TransitGatewayIds=[gateway])
    with pytest.raises(ClientError, match="InvalidTransitGatewayID"):
        _attached(local_aws, gateway)


def test_a_route_needs_an_attachment_of_its_own_vpc(local_aws: LocalAws) -> None:
    gateway = _gateway(local_aws, OURS)
    _attached(local_aws, gateway)
    ec2 = local_aws.client("ec2")
    table = ec2.create_route_table(VpcId=_vpc(ec2, "10.8.0.0/16"))["RouteTable"]["RouteTableId"]
    with pytest.raises(ClientError, match=r"InvalidTransitGatewayID\.NotFound"):
        ec2.create_route(RouteTableId=table, DestinationCidrBlock="10.90.0.0/24", TransitGatewayId=gateway)


def _peering(properties: dict[str, str]) -> str:
    resources = {
        "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.7.0.0/16"}},
        "Peering": {
            "Type": "AWS::EC2::VPCPeeringConnection",
            "Properties": {"VpcId": {"Ref": "Vpc"}, **properties},
        },
    }
    return json.dumps({"Resources": resources})


@pytest.mark.parametrize("region", [REGION, ELSEWHERE])
def test_a_peering_in_the_account_is_accepted(local_aws: LocalAws, stacks: Any, region: str) -> None:
    """In another region too: https://github.com/aws/aws-cdk/pull/31645."""
    peer = _vpc(local_aws.client("ec2", region), "10.90.0.0/16")
    properties = {"PeerVpcId": peer} | ({"PeerRegion": region} if region != REGION else {})
    name = stacks.name()
    assert stacks.deploy(name, _peering(properties))["StackStatus"] == "CREATE_COMPLETE", stacks.failures(
        name
    )
    (found,) = [
        each
        for each in local_aws.client("ec2").describe_vpc_peering_connections()["VpcPeeringConnections"]
        if each["AccepterVpcInfo"]["VpcId"] == peer
    ]
    assert found["Status"]["Code"] == "active"


@pytest.mark.parametrize(
    ("role", "status"),
    [
        (None, "ROLLBACK_COMPLETE"),
        (f"arn:aws:iam::{OURS}:role/peer", "ROLLBACK_COMPLETE"),
        (f"arn:aws:iam::{THEIRS}:role/peer", "CREATE_COMPLETE"),
    ],
)
def test_a_peering_with_another_account_needs_a_role_of_it(
    local_aws: LocalAws, stacks: Any, role: str | None, status: str
) -> None:
    peer = _vpc(_client(local_aws, "ec2", THEIRS), "10.90.0.0/16")
    properties = {"PeerVpcId": peer, "PeerOwnerId": THEIRS} | ({"PeerRoleArn": role} if role else {})
    name = stacks.name()
    assert stacks.deploy(name, _peering(properties))["StackStatus"] == status, stacks.failures(name)
    assert ("cannot accept peering" in str(stacks.failures(name))) == (status == "ROLLBACK_COMPLETE")
