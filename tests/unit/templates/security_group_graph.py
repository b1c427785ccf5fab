"""Security groups as a graph: what can open a connection to what, computed from rendered rules."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.unit.templates.renders import resolve

Rendered = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SecurityGroupRule:
    """One rule of a group: with whom, over which ports."""

    group: str
    peer: str
    """A group, a range, or a prefix list."""
    ports: range


@dataclass(frozen=True, slots=True)
class OpenConnection:
    """One kind of connection that both sides' rules let through."""

    source: str
    target: str
    port: int


def connections(templates: Mapping[str, Rendered], configuration: str) -> frozenset[OpenConnection]:
    """Return all connections that the rules of *templates* allow.

    Between groups both sides must agree. Ranges stand for the world outside the VPC, which agrees to all.
    """
    groups = set(_groups(templates))
    incoming = list(_rules(templates, configuration, "Ingress"))
    outgoing = list(_rules(templates, configuration, "Egress"))
    inside = {
        OpenConnection(out.group, out.peer, port)
        for out in outgoing
        for into in incoming
        if (out.group, out.peer) == (into.peer, into.group)
        for port in _common(out.ports, into.ports)
    }
    arriving = {
        OpenConnection(rule.peer, rule.group, port)
        for rule in incoming
        if rule.peer not in groups
        for port in rule.ports
    }
    leaving = {
        OpenConnection(rule.group, rule.peer, port)
        for rule in outgoing
        if rule.peer not in groups and rule.peer != "127.0.0.1/32"
        for port in rule.ports
    }
    return frozenset(inside | arriving | leaving)


def _common(one: range, other: range) -> range:
    return range(max(one.start, other.start), min(one.stop, other.stop))


def _groups(templates: Mapping[str, Rendered]) -> Iterator[str]:
    for template in templates.values():
        for name, resource in template["Resources"].items():
            if resource["Type"] == "AWS::EC2::SecurityGroup":
                yield name


def _rules(
    templates: Mapping[str, Rendered], configuration: str, direction: str
) -> Iterator[SecurityGroupRule]:
    for layer, template in templates.items():
        for name, resource in template["Resources"].items():
            properties = resource.get("Properties", {})
            if resource["Type"] == "AWS::EC2::SecurityGroup":
                for entry in properties.get(f"SecurityGroup{direction}", []):
                    yield _rule(name, resolve(entry, configuration, layer))
            elif resource["Type"] == f"AWS::EC2::SecurityGroup{direction}":
                known = resolve(properties, configuration, layer)
                yield _rule(known["GroupId"], known)


def _rule(group: str, entry: Rendered) -> SecurityGroupRule:
    peer = next(
        entry[key]
        for key in (
            "SourceSecurityGroupId",
            "DestinationSecurityGroupId",
            "CidrIp",
            "CidrIpv6",
            "SourcePrefixListId",
            "DestinationPrefixListId",
        )
        if key in entry
    )
    if entry["IpProtocol"] == "-1":
        return SecurityGroupRule(group, peer, range(65536))
    return SecurityGroupRule(group, peer, range(int(entry["FromPort"]), int(entry["ToPort"]) + 1))
