"""AWS::EC2 types of security groups and their rules."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from ..errors import ResourceFailed
from ..resource import Resource
from ..resource_type import ResourceType, attributes_named, names

_ec2 = partial(ResourceType, service="ec2")


def _permission(rule: Mapping[str, Any]) -> dict[str, Any]:
    """Return a rule of a template as the API's IpPermission."""
    about = {"Description": rule["Description"]} if "Description" in rule else {}
    permission = {key: rule[key] for key in ("IpProtocol", "FromPort", "ToPort") if key in rule}
    sources = {
        "CidrIp": ("IpRanges", "CidrIp"),
        "CidrIpv6": ("Ipv6Ranges", "CidrIpv6"),
        "SourceSecurityGroupId": ("UserIdGroupPairs", "GroupId"),
        "DestinationSecurityGroupId": ("UserIdGroupPairs", "GroupId"),
        "SourcePrefixListId": ("PrefixListIds", "PrefixListId"),
        "DestinationPrefixListId": ("PrefixListIds", "PrefixListId"),
    }
    unknown = rule.keys() - sources.keys() - {"IpProtocol", "FromPort", "ToPort", "Description", "GroupId"}
    if unknown:
        raise ResourceFailed(
            f"Properties validation failed: extraneous key {sorted(unknown)} is not permitted"
        )
    for key, (group, member) in sources.items():
        if key in rule:
            permission[group] = [{member: rule[key], **about}]
    return permission


def _rules(
    resource: Resource, action: str, way: str, group: str, rules: list[Mapping[str, Any]]
) -> dict[str, Any]:
    answer: dict[str, Any] = {}
    for rule in rules:
        answer = resource.call(
            f"{action}_security_group_{way}", GroupId=group, IpPermissions=[_permission(rule)]
        )
    return answer


def _create_rule(way: str, resource: Resource) -> None:
    answer = _rules(resource, "authorize", way, resource.properties["GroupId"], [resource.properties])
    resource.physical_id = answer["SecurityGroupRules"][0]["SecurityGroupRuleId"]


def _delete_rule(way: str, resource: Resource) -> None:
    _rules(resource, "revoke", way, resource.properties["GroupId"], [resource.properties])


def _create_group(group: Resource) -> None:
    group.take_answer(
        group.call(
            "create_security_group",
            **group.named_argument(),
            Description=group.properties["GroupDescription"],
            **group.pick("VpcId"),
            **group.tag_arguments("create_security_group"),
        )
    )
    if group.properties.get("SecurityGroupEgress"):  # a list of one's own replaces the rule that allows all
        _rules(group, "revoke", "egress", group.physical_id, [{"IpProtocol": "-1", "CidrIp": "0.0.0.0/0"}])
    _update_group(group, {})


def _update_group(group: Resource, old: Mapping[str, Any]) -> None:
    for way, name in (("ingress", "SecurityGroupIngress"), ("egress", "SecurityGroupEgress")):
        removed, new = group.difference(old, name)
        _rules(group, "revoke", way, group.physical_id, removed)
        _rules(group, "authorize", way, group.physical_id, new)


TYPES = (
    _ec2(
        name="AWS::EC2::SecurityGroup",
        create=_create_group,
        known=names("GroupDescription VpcId"),
        id="GroupId",
        named="GroupName",
        update=_update_group,
        mutable=names("SecurityGroupIngress SecurityGroupEgress"),
        delete="delete_security_group",
        delete_with={"GroupId": "{id}"},
        attributes=attributes_named("GroupId"),
        tagged="{id}",
        tag_kind="security-group",
    ),
    _ec2(
        name="AWS::EC2::SecurityGroupIngress",
        create=partial(_create_rule, "ingress"),
        delete=partial(_delete_rule, "ingress"),
    ),
    _ec2(
        name="AWS::EC2::SecurityGroupEgress",
        create=partial(_create_rule, "egress"),
        delete=partial(_delete_rule, "egress"),
    ),
)
