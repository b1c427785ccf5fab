"""Controls of the network."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator

from ..account.network import SecurityGroup, SecurityGroupRule
from ..account.state import AccountState
from ..model import Control, Observation, Severity
from ..remedies import revert_drift

PRIVATE = tuple(
    map(
        ipaddress.ip_network,
        ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "fc00::/7"),
    )
)


def public(destination: str) -> bool:
    """Whether a range has public addresses: `0.0.0.0/0` has, and each half of it."""
    network = ipaddress.ip_network(destination, strict=False)
    return not any(
        network.version == private.version and network.subnet_of(private)  # type: ignore[arg-type]  # same version
        for private in PRIVATE
    )


def _zones(state: AccountState) -> Iterator[Observation]:
    subnets = state.network.subnets
    zones = {subnet.zone for subnet in subnets}
    yield Observation(state.network.vpc, len(zones) >= 2, f"{len(subnets)} subnets in {len(zones)} zones")


def _no_public_addresses(state: AccountState) -> Iterator[Observation]:
    for subnet in state.network.subnets:
        on = subnet.assigns_public_addresses
        yield Observation(subnet.id, not on, f"MapPublicIpOnLaunch is {on}")


def _database_subnets_isolated(state: AccountState) -> Iterator[Observation]:
    for subnet in state.database.instance.subnets:
        outside = sorted(
            destination
            for route in state.network.routes(subnet)
            if not route.local
            for destination in route.destinations
            if public(destination)
        )
        evidence = f"routes to {', '.join(outside)}" if outside else "no route out of the VPC"
        yield Observation(subnet, not outside, evidence)


def _nat_gateways(state: AccountState) -> Iterator[Observation]:
    network = state.deployment.network
    working = state.network.nat_gateway_states.count("available")
    yield Observation(
        state.network.vpc,
        working >= network.availability_zones,
        f"{working} NAT gateways for {network.availability_zones} zones",
        accepted_by_config=network.nat == "single",
    )


def _flow_logs(state: AccountState) -> Iterator[Observation]:
    logs = state.network.flow_logs
    working = any(
        log.traffic == "ALL" and log.status == "ACTIVE" and log.delivery_status != "FAILED" for log in logs
    )
    described = ", ".join(
        " ".join(filter(None, (log.traffic, log.status, log.delivery_status, log.delivery_error)))
        for log in logs
    )
    yield Observation(state.network.vpc, working, f"flow logs: {described or 'none'}")


def _default_group_empty(state: AccountState) -> Iterator[Observation]:
    for group in state.network.security_groups:
        if group.default:
            rules = len(group.ingress) + len(group.egress)
            yield Observation(group.id, not rules, f"{rules} rules")


def _public_ports(state: AccountState) -> Iterator[Observation]:
    balancers = state.edge.load_balancer.security_groups
    for group in state.network.security_groups:
        if group.default:
            continue
        open_ports = {rule.ports for rule in group.ingress if _public_destinations(rule)}
        allowed = {"80", "443"} if group.id in balancers else set()
        wrong = sorted(open_ports - allowed)
        evidence = (
            f"open to public addresses: {', '.join(wrong)}"
            if wrong
            else "only the load balancer's ports are open to public addresses"
        )
        yield Observation(_label(group), not wrong, evidence)


def _label(group: SecurityGroup) -> str:
    return f"{group.id} ({group.name})"


def _public_destinations(rule: SecurityGroupRule) -> list[str]:
    """Return a rule's public ranges, and its prefix lists, whose ranges are unknown."""
    return [*filter(public, rule.ranges), *rule.prefix_lists]


def _database_ingress(state: AccountState) -> Iterator[Observation]:
    """Check the groups of database and proxy: each accepts the groups of its clients only."""

    def group(title: str) -> str:
        return state.stacks.physical_id("network", f"{title}SecurityGroup")

    proxied = state.deployment.database.mode == "proxy"
    clients = {group("Proxy" if proxied else "Instance"), group("Bootstrap")}
    allowed = dict.fromkeys(state.database.instance.security_groups, clients)
    if proxied:
        allowed[group("Proxy")] = {group("Instance")}
    rules = {each.id: each.ingress for each in state.network.security_groups}
    for name, sources in allowed.items():
        if name not in rules:
            yield Observation(name, ok=False, evidence="the security group is not in the VPC")
            continue
        others = sorted(set(_sources(rules[name])) - sources)
        evidence = (
            f"also accepts {', '.join(others)}" if others else f"accepts only {', '.join(sorted(sources))}"
        )
        yield Observation(name, not others, evidence)


def _sources(rules: Iterable[SecurityGroupRule]) -> Iterator[str]:
    for rule in rules:
        yield from (*rule.ranges, *rule.prefix_lists, *rule.groups)


def _configured_endpoints(state: AccountState) -> Iterator[Observation]:
    services = {endpoint.service.rpartition(".")[2] for endpoint in state.network.endpoints}
    for service in ("s3", *state.deployment.network.endpoints):
        exists = service in services
        yield Observation(f"{state.network.vpc} {service}", exists, "exists" if exists else "doesn't exist")


def _egress(state: AccountState) -> Iterator[Observation]:
    for group in state.network.security_groups:
        if not group.default:
            wide = sorted(
                f"{destination} {rule.ports}"
                for rule in group.egress
                if not rule.single_port
                for destination in _public_destinations(rule)
            )
            evidence = (
                f"more than one port is open to {', '.join(wide)}"
                if wide
                else "each rule to public addresses is for one port"
            )
            yield Observation(_label(group), not wide, evidence)


def _endpoint_policies(state: AccountState) -> Iterator[Observation]:
    for endpoint in state.network.endpoints:
        open_statements = [
            statement.name
            for statement in endpoint.policy
            if statement.allows
            and statement.for_anyone
            and not statement.conditions
            and "*" in statement.resources
        ]
        evidence = (
            f"open to every account: {', '.join(open_statements)}"
            if open_statements
            else "no statement is open to every account"
        )
        yield Observation(f"{endpoint.id} {endpoint.service}", not open_statements, evidence)


HIGH, MEDIUM, LOW = Severity.HIGH, Severity.MEDIUM, Severity.LOW

NETWORK = revert_drift("network")
REVOKE_INGRESS = (
    "remove the rule: aws ec2 revoke-security-group-ingress --group-id … --security-group-rule-ids …"
)
REVOKE_EGRESS = (
    "remove the rule: aws ec2 revoke-security-group-egress --group-id … --security-group-rule-ids …"
)

CONTROLS = (
    Control(
        "SEC05-BP01",
        "Subnets span at least two zones",
        MEDIUM,
        "set network.availability_zones = 2 or more in a new deployment",
        _zones,
    ),
    Control("EC2.15", "Subnets assign no public addresses", MEDIUM, NETWORK, _no_public_addresses),
    Control(
        "RDS.46",
        "Database subnets have no route out of the VPC",
        HIGH,
        f"remove the route: aws ec2 delete-route; if the subnet has another route table: {NETWORK}",
        _database_subnets_isolated,
    ),
    Control(
        "REL-NAT",
        "Each zone has its own NAT gateway",
        MEDIUM,
        f'{NETWORK}; in a deployment with a single one: set network.nat = "per-az"',
        _nat_gateways,
    ),
    Control(
        "EC2.6",
        "All traffic of the VPC is logged",
        MEDIUM,
        f"{NETWORK}; if the delivery fails, check the flow log's role and log group",
        _flow_logs,
    ),
    Control("EC2.2", "The default security group has no rules", HIGH, REVOKE_INGRESS, _default_group_empty),
    Control("EC2.18", "Only the load balancer's ports are public", HIGH, REVOKE_INGRESS, _public_ports),
    Control("SEC05-BP02", "Only the app can reach the database", HIGH, REVOKE_INGRESS, _database_ingress),
    Control("BV.NET3", "The configured VPC endpoints exist", LOW, NETWORK, _configured_endpoints),
    Control("BV.NET1", "Egress to public addresses is for single ports", MEDIUM, REVOKE_EGRESS, _egress),
    Control("BV.NET2", "VPC endpoints serve this account only", MEDIUM, NETWORK, _endpoint_policies),
)
