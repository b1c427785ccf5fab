"""EC2: the VPC, and everything in it that decides who can reach whom."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from .parsing import all_items, parses
from .policies import PolicyStatement, statements
from .stacks import DeploymentStacks

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ec2.type_defs import (
        DescribeFlowLogsResultTypeDef,
        DescribeNatGatewaysResultTypeDef,
        DescribeRouteTablesResultTypeDef,
        DescribeSecurityGroupsResultTypeDef,
        DescribeSubnetsResultTypeDef,
        DescribeVpcEndpointsResultTypeDef,
        FilterTypeDef,
        IpPermissionOutputTypeDef,
        RouteTypeDef,
    )


@dataclass(frozen=True, slots=True)
class Subnet:
    id: str
    zone: str
    assigns_public_addresses: bool


@dataclass(frozen=True, slots=True)
class Route:
    destinations: tuple[str, ...]
    """IPv4 and IPv6 ranges."""
    gateway: str
    """`local`, or the id of an internet gateway or of a gateway endpoint; empty for other targets."""

    @property
    def local(self) -> bool:
        return self.gateway == "local"

    @property
    def to_internet_gateway(self) -> bool:
        return self.gateway.startswith("igw-")


@dataclass(frozen=True, slots=True)
class RouteTable:
    subnets: frozenset[str]
    main: bool
    """Whether it is the VPC's main table, which subnets without a table of their own use."""
    routes: tuple[Route, ...]


@dataclass(frozen=True, slots=True)
class SecurityGroupRule:
    protocol: str
    """`-1` means all."""
    from_port: int | None
    to_port: int | None
    ranges: tuple[str, ...]
    prefix_lists: tuple[str, ...]
    groups: tuple[str, ...]

    @property
    def ports(self) -> str:
        if self.protocol == "-1":
            return "all"
        return f"{self.from_port}" if self.from_port == self.to_port else f"{self.from_port}-{self.to_port}"

    @property
    def single_port(self) -> bool:
        return self.protocol in ("tcp", "udp") and self.from_port == self.to_port


@dataclass(frozen=True, slots=True)
class SecurityGroup:
    id: str
    name: str
    ingress: tuple[SecurityGroupRule, ...]
    egress: tuple[SecurityGroupRule, ...]

    @property
    def default(self) -> bool:
        return self.name == "default"


@dataclass(frozen=True, slots=True)
class FlowLog:
    traffic: str
    status: str
    delivery_status: str
    """Empty before the first delivery."""
    delivery_error: str


@dataclass(frozen=True, slots=True)
class VpcEndpoint:
    id: str
    service: str
    state: str
    policy: tuple[PolicyStatement, ...]


@parses("DescribeSubnets")
def _subnets(page: DescribeSubnetsResultTypeDef) -> tuple[Subnet, ...]:
    return tuple(
        Subnet(each["SubnetId"], each["AvailabilityZone"], each["MapPublicIpOnLaunch"])
        for each in page["Subnets"]
    )


@parses("DescribeRouteTables")
def _route_tables(page: DescribeRouteTablesResultTypeDef) -> tuple[RouteTable, ...]:
    return tuple(
        RouteTable(
            frozenset(each["SubnetId"] for each in table["Associations"] if "SubnetId" in each),
            any(each.get("Main", False) for each in table["Associations"]),
            tuple(map(_route, table["Routes"])),
        )
        for table in page["RouteTables"]
    )


def _route(raw: RouteTypeDef) -> Route:
    destinations = (raw.get("DestinationCidrBlock", ""), raw.get("DestinationIpv6CidrBlock", ""))
    return Route(tuple(filter(None, destinations)), raw.get("GatewayId", ""))


@parses("DescribeSecurityGroups")
def _security_groups(page: DescribeSecurityGroupsResultTypeDef) -> tuple[SecurityGroup, ...]:
    return tuple(
        SecurityGroup(
            each["GroupId"],
            each["GroupName"],
            tuple(map(_rule, each["IpPermissions"])),
            tuple(map(_rule, each["IpPermissionsEgress"])),
        )
        for each in page["SecurityGroups"]
    )


def _rule(raw: IpPermissionOutputTypeDef) -> SecurityGroupRule:
    return SecurityGroupRule(
        raw["IpProtocol"],
        raw.get("FromPort"),
        raw.get("ToPort"),
        (
            *(each["CidrIp"] for each in raw.get("IpRanges", ())),
            *(each["CidrIpv6"] for each in raw.get("Ipv6Ranges", ())),
        ),
        tuple(each["PrefixListId"] for each in raw.get("PrefixListIds", ())),
        tuple(each["GroupId"] for each in raw.get("UserIdGroupPairs", ())),
    )


@parses("DescribeNatGateways")
def _nat_gateway_states(page: DescribeNatGatewaysResultTypeDef) -> tuple[str, ...]:
    return tuple(each["State"] for each in page["NatGateways"])


@parses("DescribeFlowLogs")
def _flow_logs(page: DescribeFlowLogsResultTypeDef) -> tuple[FlowLog, ...]:
    return tuple(
        FlowLog(
            each["TrafficType"],
            each.get("FlowLogStatus", ""),
            each.get("DeliverLogsStatus", ""),
            each.get("DeliverLogsErrorMessage", ""),
        )
        for each in page["FlowLogs"]
    )


@parses("DescribeVpcEndpoints")
def _endpoints(page: DescribeVpcEndpointsResultTypeDef) -> tuple[VpcEndpoint, ...]:
    return tuple(
        VpcEndpoint(
            each["VpcEndpointId"],
            each["ServiceName"],
            each["State"].lower(),
            statements(each.get("PolicyDocument")),
        )
        for each in page["VpcEndpoints"]
    )


@dataclass
class NetworkState:
    stacks: DeploymentStacks

    @cached_property
    def vpc(self) -> str:
        return self.stacks.first_id("AWS::EC2::VPC")

    @cached_property
    def subnets(self) -> tuple[Subnet, ...]:
        pages = self._client.get_paginator("describe_subnets").paginate(Filters=self._in_vpc)
        return all_items(_subnets, pages)

    @cached_property
    def route_tables(self) -> tuple[RouteTable, ...]:
        pages = self._client.get_paginator("describe_route_tables").paginate(Filters=self._in_vpc)
        return all_items(_route_tables, pages)

    def routes(self, subnet: str) -> tuple[Route, ...]:
        """Return the routes of a subnet: those of its own table, or of the VPC's main one."""
        own: Iterable[RouteTable] = (table for table in self.route_tables if subnet in table.subnets)
        main = (table for table in self.route_tables if table.main)
        return next((table.routes for table in (*own, *main)), ())

    @cached_property
    def security_groups(self) -> tuple[SecurityGroup, ...]:
        pages = self._client.get_paginator("describe_security_groups").paginate(Filters=self._in_vpc)
        return all_items(_security_groups, pages)

    @cached_property
    def nat_gateway_states(self) -> tuple[str, ...]:
        pages = self._client.get_paginator("describe_nat_gateways").paginate(Filters=self._in_vpc)
        return all_items(_nat_gateway_states, pages)

    @cached_property
    def flow_logs(self) -> tuple[FlowLog, ...]:
        of_vpc: list[FilterTypeDef] = [{"Name": "resource-id", "Values": [self.vpc]}]
        return all_items(
            _flow_logs, self._client.get_paginator("describe_flow_logs").paginate(Filters=of_vpc)
        )

    @cached_property
    def endpoints(self) -> tuple[VpcEndpoint, ...]:
        """The VPC's working endpoints; EC2 also returns recently deleted ones for a while."""
        pages = self._client.get_paginator("describe_vpc_endpoints").paginate(Filters=self._in_vpc)
        return tuple(each for each in all_items(_endpoints, pages) if each.state == "available")

    @property
    def _client(self) -> EC2Client:
        client: EC2Client = self.stacks.aws.client("ec2")
        return client

    @property
    def _in_vpc(self) -> list[FilterTypeDef]:
        return [{"Name": "vpc-id", "Values": [self.vpc]}]
