"""Controls of the network."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .live import Live, listed, statements
from .model import Control, Seen, Severity

ANYWHERE = frozenset({"0.0.0.0/0", "::/0"})


def _subnets(live: Live) -> Iterator[Seen]:
    for subnet in live.subnets:
        public = bool(subnet["MapPublicIpOnLaunch"])
        yield Seen(subnet["SubnetId"], not public, f"MapPublicIpOnLaunch is {public}")


def _zones(live: Live) -> Iterator[Seen]:
    zones = {subnet["AvailabilityZone"] for subnet in live.subnets}
    yield Seen(live.vpc, len(zones) >= 2, f"{len(live.subnets)} subnets in {len(zones)} zones")


def _isolated(live: Live) -> Iterator[Seen]:
    for subnet in live.database["DBSubnetGroup"]["Subnets"]:
        name = subnet["SubnetIdentifier"]
        routes = live.table_of(name).get("Routes", [])
        ways = [
            r.get("DestinationCidrBlock", "") for r in routes if r.get("DestinationCidrBlock") in ANYWHERE
        ]
        yield Seen(name, not ways, "a default route leads out" if ways else "no default route")


def _gateways(live: Live) -> Iterator[Seen]:
    found = live.pages(
        "ec2", "describe_nat_gateways", "NatGateways", Filters=[{"Name": "vpc-id", "Values": [live.vpc]}]
    )
    working = [gateway for gateway in found if gateway["State"] == "available"]
    wanted = live.deployment.network.availability_zones
    single = live.deployment.network.nat == "single"
    yield Seen(live.vpc, len(working) >= wanted, f"{len(working)} NAT gateways for {wanted} zones", single)


def _flow_logs(live: Live) -> Iterator[Seen]:
    found = live.pages(
        "ec2", "describe_flow_logs", "FlowLogs", Filters=[{"Name": "resource-id", "Values": [live.vpc]}]
    )
    good = [log for log in found if log["TrafficType"] == "ALL"]
    yield Seen(live.vpc, bool(good), f"{len(good)} flow logs of all traffic")


def _default_group(live: Live) -> Iterator[Seen]:
    for group in live.security_groups:
        if group["GroupName"] == "default":
            rules = len(group["IpPermissions"]) + len(group["IpPermissionsEgress"])
            yield Seen(group["GroupId"], not rules, f"{rules} rules")


def _open_ports(live: Live) -> Iterator[Seen]:
    allowed = set(live.balancer["SecurityGroups"])
    for group in live.security_groups:
        if group["GroupName"] == "default":
            continue
        opened = [_port(rule) for rule in group["IpPermissions"] if ANYWHERE & _sources(rule)]
        fine = {"80", "443"} if group["GroupId"] in allowed else set()
        wrong = sorted(set(opened) - fine)
        told = (
            f"open to everybody: {', '.join(wrong)}"
            if wrong
            else "nothing but the load balancer's ports is open"
        )
        yield Seen(f"{group['GroupId']} ({group['GroupName']})", not wrong, told)


def _sources(rule: Any) -> set[str]:
    return {r["CidrIp"] for r in rule.get("IpRanges", ())} | {
        r["CidrIpv6"] for r in rule.get("Ipv6Ranges", ())
    }


def _port(rule: Any) -> str:
    if rule["IpProtocol"] == "-1":
        return "all"
    low, high = rule.get("FromPort"), rule.get("ToPort")
    return f"{low}" if low == high else f"{low}-{high}"


def _database_ingress(live: Live) -> Iterator[Seen]:
    groups = {group["GroupId"]: group for group in live.security_groups}
    for member in live.database["VpcSecurityGroups"]:
        group = groups[member["VpcSecurityGroupId"]]
        ranges = [r for rule in group["IpPermissions"] for r in sorted(_sources(rule))]
        told = f"takes ranges: {', '.join(ranges)}" if ranges else "takes security groups only"
        yield Seen(group["GroupId"], not ranges, told)


def _endpoints(live: Live) -> Iterator[Seen]:
    found = live.in_vpc("describe_vpc_endpoints", "VpcEndpoints")
    services = {endpoint["ServiceName"].rpartition(".")[2] for endpoint in found}
    for service in ("s3", *live.deployment.network.endpoints):
        yield Seen(f"{live.vpc} {service}", service in services, "there" if service in services else "none")


def _egress(live: Live) -> Iterator[Seen]:
    for group in live.security_groups:
        rules = group["IpPermissionsEgress"]
        if group["GroupName"] != "default":
            wide = any(rule["IpProtocol"] == "-1" and ANYWHERE & _sources(rule) for rule in rules)
            told = "may talk to everybody on every port" if wide else "each way out is named"
            yield Seen(f"{group['GroupId']} ({group['GroupName']})", not wide, told)


def _endpoint_policies(live: Live) -> Iterator[Seen]:
    for endpoint in live.in_vpc("describe_vpc_endpoints", "VpcEndpoints"):
        loose = [
            statement.get("Sid", "a statement")
            for statement in statements(endpoint.get("PolicyDocument"))
            if statement["Effect"] == "Allow"
            and statement.get("Principal") in ("*", {"AWS": "*"})
            and not statement.get("Condition")
            and "*" in listed(statement["Resource"])
        ]
        told = f"open to every account: {', '.join(loose)}" if loose else "bound to this account"
        yield Seen(f"{endpoint['VpcEndpointId']} {endpoint['ServiceName']}", not loose, told)


HIGH, MEDIUM, LOW = Severity.HIGH, Severity.MEDIUM, Severity.LOW

CONTROLS = (
    Control(
        "SEC05-BP01", "Subnets span at least two zones", MEDIUM, "deploy the network layer again", _zones
    ),
    Control("EC2.15", "Subnets give no public addresses", MEDIUM, "unset MapPublicIpOnLaunch", _subnets),
    Control("RDS.46", "Database subnets have no way out", HIGH, "remove the default route", _isolated),
    Control("REL-NAT", "Each zone has its own NAT gateway", MEDIUM, 'set network.nat = "per-az"', _gateways),
    Control(
        "EC2.6", "All traffic of the VPC is logged", MEDIUM, "deploy the network layer again", _flow_logs
    ),
    Control("EC2.2", "The default security group has no rules", HIGH, "remove its rules", _default_group),
    Control("EC2.18", "Only the load balancer's ports are public", HIGH, "remove the rule", _open_ports),
    Control("SEC05-BP02", "The database takes the app only", HIGH, "remove the ranges", _database_ingress),
    Control(
        "EC2.10", "AWS is reached through VPC endpoints", LOW, "deploy the network layer again", _endpoints
    ),
    Control("BV.NET1", "Nothing may talk to everybody", MEDIUM, "remove the rule", _egress),
    Control(
        "BV.NET2",
        "VPC endpoints serve this account",
        MEDIUM,
        "deploy the network layer again",
        _endpoint_policies,
    ),
)
