"""Controls of the network."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any

from .live import AccountState
from .model import Control, Observation, Severity
from .policies import listed, statements
from .remedy import put_back

PRIVATE = tuple(
    map(
        ipaddress.ip_network,
        ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "fc00::/7"),
    )
)


def public(destination: str) -> bool:
    """Whether a range has public addresses: `0.0.0.0/0`, and its halves as well."""
    network = ipaddress.ip_network(destination)
    return not any(
        network.version == private.version and network.subnet_of(private)  # type: ignore[arg-type]  # same version
        for private in PRIVATE
    )


def _subnets(live: AccountState) -> Iterator[Observation]:
    for subnet in live.subnets:
        public = bool(subnet["MapPublicIpOnLaunch"])
        yield Observation(subnet["SubnetId"], not public, f"MapPublicIpOnLaunch is {public}")


def _zones(live: AccountState) -> Iterator[Observation]:
    zones = {subnet["AvailabilityZone"] for subnet in live.subnets}
    yield Observation(live.vpc, len(zones) >= 2, f"{len(live.subnets)} subnets in {len(zones)} zones")


def _isolated(live: AccountState) -> Iterator[Observation]:
    for subnet in live.database["DBSubnetGroup"]["Subnets"]:
        name = subnet["SubnetIdentifier"]
        ways = sorted(
            destination
            for route in live.table_of(name).get("Routes", [])
            for destination in (route.get("DestinationCidrBlock"), route.get("DestinationIpv6CidrBlock"))
            if destination and route.get("GatewayId") != "local" and public(destination)
        )
        yield Observation(
            name, not ways, f"routes lead out: {', '.join(ways)}" if ways else "no route leads out"
        )


def _gateways(live: AccountState) -> Iterator[Observation]:
    found = live.pages(
        "ec2", "describe_nat_gateways", "NatGateways", Filters=[{"Name": "vpc-id", "Values": [live.vpc]}]
    )
    working = [gateway for gateway in found if gateway["State"] == "available"]
    wanted = live.deployment.network.availability_zones
    single = live.deployment.network.nat == "single"
    yield Observation(
        live.vpc, len(working) >= wanted, f"{len(working)} NAT gateways for {wanted} zones", single
    )


def _flow_logs(live: AccountState) -> Iterator[Observation]:
    found = live.pages(
        "ec2", "describe_flow_logs", "FlowLogs", Filters=[{"Name": "resource-id", "Values": [live.vpc]}]
    )
    told = []
    working = False
    for log in found:
        state, delivery = log.get("FlowLogStatus", ""), log.get("DeliverLogsStatus", "")
        # There is no word on the delivery before the first one.
        working |= log["TrafficType"] == "ALL" and state == "ACTIVE" and delivery != "FAILED"
        why = log.get("DeliverLogsErrorMessage", "")
        told.append(" ".join(filter(None, (log["TrafficType"], state, delivery, why))))
    yield Observation(live.vpc, working, f"flow logs: {', '.join(told) or 'none'}")


def _default_group(live: AccountState) -> Iterator[Observation]:
    for group in live.security_groups:
        if group["GroupName"] == "default":
            rules = len(group["IpPermissions"]) + len(group["IpPermissionsEgress"])
            yield Observation(group["GroupId"], not rules, f"{rules} rules")


def _open_ports(live: AccountState) -> Iterator[Observation]:
    allowed = set(live.balancer["SecurityGroups"])
    for group in live.security_groups:
        if group["GroupName"] == "default":
            continue
        opened = [_port(rule) for rule in group["IpPermissions"] if any(_outside(rule))]
        fine = {"80", "443"} if group["GroupId"] in allowed else set()
        wrong = sorted(set(opened) - fine)
        told = (
            f"open to public addresses: {', '.join(wrong)}"
            if wrong
            else "nothing but the load balancer's ports is open"
        )
        yield Observation(f"{group['GroupId']} ({group['GroupName']})", not wrong, told)


def _ranges(rule: Any) -> list[str]:
    """Return the addresses a rule is about, where it names no security group."""
    return [
        *(r["CidrIp"] for r in rule.get("IpRanges", ())),
        *(r["CidrIpv6"] for r in rule.get("Ipv6Ranges", ())),
        *(r["PrefixListId"] for r in rule.get("PrefixListIds", ())),
    ]


def _outside(rule: Any) -> list[str]:
    """Return those of its addresses that are public; of a prefix list nobody knows that."""
    return [each for each in _ranges(rule) if each.startswith("pl-") or public(each)]


def _port(rule: Any) -> str:
    if rule["IpProtocol"] == "-1":
        return "all"
    low, high = rule.get("FromPort"), rule.get("ToPort")
    return f"{low}" if low == high else f"{low}-{high}"


def _database_ingress(live: AccountState) -> Iterator[Observation]:
    """Look at the groups of database and proxy: each may take its callers' groups, and nothing else."""

    def group(title: str) -> str:
        return live.named("network", f"{title}SecurityGroup")

    proxied = live.deployment.database.mode == "proxy"
    callers = {group("Proxy" if proxied else "Instance"), group("Bootstrap")}
    takes = {member["VpcSecurityGroupId"]: callers for member in live.database["VpcSecurityGroups"]}
    if proxied:
        takes[group("Proxy")] = {group("Instance")}
    rules = {each["GroupId"]: each["IpPermissions"] for each in live.security_groups}
    for name, allowed in takes.items():
        foreign = sorted(
            source
            for rule in rules[name]
            for source in (*_ranges(rule), *(pair["GroupId"] for pair in rule.get("UserIdGroupPairs", ())))
            if source not in allowed
        )
        told = f"takes also: {', '.join(foreign)}" if foreign else f"takes {', '.join(sorted(allowed))}"
        yield Observation(name, not foreign, told)


def _working_endpoints(live: AccountState) -> list[Any]:
    """Return the VPC's endpoints; for a while AWS tells also of those that were deleted."""
    found = live.in_vpc("describe_vpc_endpoints", "VpcEndpoints")
    return [endpoint for endpoint in found if endpoint["State"].lower() == "available"]


def _endpoints(live: AccountState) -> Iterator[Observation]:
    found = _working_endpoints(live)
    services = {endpoint["ServiceName"].rpartition(".")[2] for endpoint in found}
    for service in ("s3", *live.deployment.network.endpoints):
        yield Observation(
            f"{live.vpc} {service}", service in services, "there" if service in services else "none"
        )


def _egress(live: AccountState) -> Iterator[Observation]:
    for group in live.security_groups:
        if group["GroupName"] != "default":
            wide = sorted(
                f"{destination} {_port(rule)}"
                for rule in group["IpPermissionsEgress"]
                for destination in _outside(rule)
                if not _one_port(rule)
            )
            told = f"may talk on more than one port to {', '.join(wide)}" if wide else "each way out is named"
            yield Observation(f"{group['GroupId']} ({group['GroupName']})", not wide, told)


def _one_port(rule: Any) -> bool:
    return rule["IpProtocol"] in ("tcp", "udp") and rule.get("FromPort") == rule.get("ToPort")


def _endpoint_policies(live: AccountState) -> Iterator[Observation]:
    for endpoint in _working_endpoints(live):
        loose = [
            statement.get("Sid", "a statement")
            for statement in statements(endpoint.get("PolicyDocument"))
            if statement["Effect"] == "Allow"
            and statement.get("Principal") in ("*", {"AWS": "*"})
            and not statement.get("Condition")
            and "*" in listed(statement["Resource"])
        ]
        told = f"open to every account: {', '.join(loose)}" if loose else "bound to this account"
        yield Observation(f"{endpoint['VpcEndpointId']} {endpoint['ServiceName']}", not loose, told)


HIGH, MEDIUM, LOW = Severity.HIGH, Severity.MEDIUM, Severity.LOW

NETWORK = put_back("network")
REVOKE_IN = (
    "take the rule away: aws ec2 revoke-security-group-ingress --group-id … --security-group-rule-ids …"
)
REVOKE_OUT = (
    "take the rule away: aws ec2 revoke-security-group-egress --group-id … --security-group-rule-ids …"
)

CONTROLS = (
    Control(
        "SEC05-BP01",
        "Subnets span at least two zones",
        MEDIUM,
        "set network.availability_zones = 2 or more in a new deployment",
        _zones,
    ),
    Control("EC2.15", "Subnets give no public addresses", MEDIUM, NETWORK, _subnets),
    Control(
        "RDS.46",
        "Database subnets have no way out",
        HIGH,
        "take the route away: aws ec2 delete-route; a subnet's table that was exchanged: " + NETWORK,
        _isolated,
    ),
    Control(
        "REL-NAT",
        "Each zone has its own NAT gateway",
        MEDIUM,
        f'{NETWORK}; a deployment with one for all: set network.nat = "per-az"',
        _gateways,
    ),
    Control(
        "EC2.6",
        "All traffic of the VPC is logged",
        MEDIUM,
        f"{NETWORK}; where the delivery failed, the role or the log group is wrong",
        _flow_logs,
    ),
    Control("EC2.2", "The default security group has no rules", HIGH, REVOKE_IN, _default_group),
    Control("EC2.18", "Only the load balancer's ports are public", HIGH, REVOKE_IN, _open_ports),
    Control("SEC05-BP02", "The database takes the app only", HIGH, REVOKE_IN, _database_ingress),
    Control("EC2.10", "AWS is reached through VPC endpoints", LOW, NETWORK, _endpoints),
    Control("BV.NET1", "Nothing may talk to everybody", MEDIUM, REVOKE_OUT, _egress),
    Control("BV.NET2", "VPC endpoints serve this account", MEDIUM, NETWORK, _endpoint_policies),
)
