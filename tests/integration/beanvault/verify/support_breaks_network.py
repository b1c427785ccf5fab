"""Breaks of the network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from .support_breaks import OPEN, Site, Table, policy

BREAKS = Table()

ANYWHERE = {"IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
SSH = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22}


@BREAKS.breaks("EC2.15")
def _a_subnet_assigns_public_addresses(site: Site) -> Iterator[None]:
    ec2, subnet = site.client("ec2"), site.physical_id("network", "App0Subnet")
    ec2.modify_subnet_attribute(SubnetId=subnet, MapPublicIpOnLaunch={"Value": True})
    yield
    ec2.modify_subnet_attribute(SubnetId=subnet, MapPublicIpOnLaunch={"Value": False})


def _a_route(key: str, destination: str, site: Site) -> Iterator[None]:
    ec2, vpc = site.client("ec2"), site.physical_id("network", "Vpc")
    subnet = site.physical_id("network", "Database0Subnet")
    (table,) = ec2.describe_route_tables(Filters=[{"Name": "association.subnet-id", "Values": [subnet]}])[
        "RouteTables"
    ]
    (gateway,) = ec2.describe_internet_gateways(Filters=[{"Name": "attachment.vpc-id", "Values": [vpc]}])[
        "InternetGateways"
    ]
    route = {"RouteTableId": table["RouteTableId"], key: destination}
    ec2.create_route(**route, GatewayId=gateway["InternetGatewayId"])
    yield
    ec2.delete_route(**route)


for _key, _destination in (
    ("DestinationCidrBlock", "0.0.0.0/0"),
    ("DestinationCidrBlock", "128.0.0.0/1"),
    ("DestinationIpv6CidrBlock", "::/0"),
):
    BREAKS.add(
        "RDS.46", partial(_a_route, _key, _destination), f"database_subnets_have_a_route_to_{_destination}"
    )


@BREAKS.breaks("REL-NAT")
def _a_nat_gateway_is_deleted(site: Site) -> Iterator[None]:
    ec2 = site.client("ec2")
    (gateway, *_) = ec2.describe_nat_gateways(Filters=[{"Name": "state", "Values": ["available"]}])[
        "NatGateways"
    ]
    ec2.delete_nat_gateway(NatGatewayId=gateway["NatGatewayId"])
    yield
    ec2.create_nat_gateway(
        SubnetId=gateway["SubnetId"], AllocationId=ec2.allocate_address(Domain="vpc")["AllocationId"]
    )


@BREAKS.breaks("EC2.6")
def _only_rejected_traffic_is_logged(site: Site) -> Iterator[None]:
    ec2, vpc = site.client("ec2"), site.physical_id("network", "Vpc")
    (log,) = ec2.describe_flow_logs(Filters=[{"Name": "resource-id", "Values": [vpc]}])["FlowLogs"]

    def exchange(old: str, traffic: str) -> str:
        ec2.delete_flow_logs(FlowLogIds=[old])
        made = ec2.create_flow_logs(
            ResourceIds=[vpc],
            ResourceType="VPC",
            TrafficType=traffic,
            LogGroupName=log["LogGroupName"],
            DeliverLogsPermissionArn=log["DeliverLogsPermissionArn"],
        )
        return str(made["FlowLogIds"][0])

    broken = exchange(log["FlowLogId"], "REJECT")
    yield
    exchange(broken, "ALL")


def _a_rule(direction: str, title: str, rule: Mapping[str, Any], site: Site) -> Iterator[None]:
    ec2 = site.client("ec2")
    arguments = {"GroupId": site.group(title), "IpPermissions": [rule]}
    getattr(ec2, f"authorize_security_group_{direction}")(**arguments)
    yield
    getattr(ec2, f"revoke_security_group_{direction}")(**arguments)


def _range(cidr: str) -> dict[str, Any]:
    return {"IpRanges": [{"CidrIp": cidr}]}


BREAKS.add("EC2.18", partial(_a_rule, "ingress", "Instance", {**SSH, **ANYWHERE}), "ssh_is_open_to_everybody")
BREAKS.add(
    "EC2.18", partial(_a_rule, "ingress", "Instance", {**SSH, **_range("0.0.0.0/1")}), "ssh_to_a_half_of_all"
)
BREAKS.add(
    "EC2.18",
    partial(_a_rule, "ingress", "Instance", {**SSH, "PrefixListIds": [{"PrefixListId": "pl-0123456789"}]}),
    "ssh_is_open_to_a_prefix_list",
)
BREAKS.add(
    "SEC05-BP02",
    partial(_a_rule, "ingress", "Database", {**SSH, **_range("10.0.0.0/8")}),
    "the_database_accepts_a_private_range",
)
for _half in ("0.0.0.0/1", "128.0.0.0/1"):
    _wide = {"IpProtocol": "tcp", "FromPort": 0, "ToPort": 65535, **_range(_half)}
    BREAKS.add("BV.NET1", partial(_a_rule, "egress", "Function", _wide), f"every_port_out_to_{_half}")


@BREAKS.breaks("SEC05-BP02")
def _the_database_accepts_another_group(site: Site) -> Iterator[None]:
    pair = {"UserIdGroupPairs": [{"GroupId": site.group("Function")}]}
    yield from _a_rule("ingress", "Database", {**SSH, **pair}, site)


@BREAKS.breaks("EC2.2")
def _the_default_group_has_a_rule(site: Site) -> Iterator[None]:
    ec2, vpc = site.client("ec2"), site.physical_id("network", "Vpc")
    where = [{"Name": "vpc-id", "Values": [vpc]}, {"Name": "group-name", "Values": ["default"]}]
    (group,) = ec2.describe_security_groups(Filters=where)["SecurityGroups"]
    arguments = {"GroupId": group["GroupId"], "IpPermissions": [{**SSH, **_range("10.0.0.0/8")}]}
    ec2.authorize_security_group_ingress(**arguments)
    yield
    ec2.revoke_security_group_ingress(**arguments)


def _endpoint(site: Site, service: str) -> Any:
    where = [{"Name": "vpc-id", "Values": [site.physical_id("network", "Vpc")]}]
    found = site.client("ec2").describe_vpc_endpoints(Filters=where)["VpcEndpoints"]
    return next(
        each for each in found if each["ServiceName"].endswith(f".{service}") and each["State"] == "available"
    )


@BREAKS.breaks("BV.NET3")
def _an_endpoint_is_deleted(site: Site) -> Iterator[None]:
    ec2, endpoint = site.client("ec2"), _endpoint(site, "s3")
    ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint["VpcEndpointId"]])
    yield
    kept = ("VpcId", "ServiceName", "VpcEndpointType", "PolicyDocument", "RouteTableIds")
    ec2.create_vpc_endpoint(**{key: endpoint[key] for key in kept})


@BREAKS.breaks("BV.NET2")
def _an_endpoint_serves_every_account(site: Site) -> Iterator[None]:
    ec2, endpoint = site.client("ec2"), _endpoint(site, "s3")
    ec2.modify_vpc_endpoint(VpcEndpointId=endpoint["VpcEndpointId"], PolicyDocument=policy(OPEN))
    yield
    ec2.modify_vpc_endpoint(
        VpcEndpointId=endpoint["VpcEndpointId"], PolicyDocument=endpoint["PolicyDocument"]
    )
