"""What resources are now, read from their services: the third side of a drift-aware change set.

As in AWS, only properties that the template names are compared, and only of types that can be read.
Write-only properties (an environment's option settings, for example) count as deployed. Rules of a security
group that are resources of their own are compared there.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/drift-aware-change-sets.html
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-stack-drift.html
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from botocore.exceptions import ClientError

from .resource import MISSING_CODES, Resource
from .resource_type import tag_mapping

_RULES = {"AWS::EC2::SecurityGroupIngress": False, "AWS::EC2::SecurityGroupEgress": True}
"""The types of single rules, and whether they are egress rules."""

Live = Mapping[str, Any]


def actual(resource: Resource, others: Iterable[Resource], inherited: Mapping[str, str]) -> Resource | None:
    """Return *resource* with the properties it has now.

    It is the same object if nothing has drifted, and None if the resource was deleted. *others* are all
    resources of the stack, *inherited* its tags: a resource with no others names none.
    """
    reader = READERS.get(resource.type_name)
    if reader is None:
        return resource
    try:
        live = reader(resource, tuple(others))
    except ClientError as error:
        if MISSING_CODES.search(error.response["Error"]["Code"]):
            return None
        raise
    if live is None:
        return None
    tags = resource.type.tags
    named = {name: value for name, value in live.items() if name in resource.properties}
    if tag_mapping(resource.properties.get(tags)) == inherited:
        named.pop(tags, None)
    drifted = {name: value for name, value in named.items() if not _matches(value, resource.properties[name])}
    if not drifted:
        return resource
    found = copy.copy(resource)
    # A property that the service no longer has a value for counts as never named by the template.
    found.properties = {
        name: drifted.get(name, value)
        for name, value in resource.properties.items()
        if name not in drifted or drifted[name] is not None
    }
    return found


def _matches(live: Any, expected: Any) -> bool:
    """Return whether *live* has everything that *expected* names; a service's own defaults are no drift."""
    if isinstance(expected, Mapping):
        return isinstance(live, Mapping) and all(
            _matches(live.get(key), value) for key, value in expected.items()
        )
    if isinstance(expected, list):
        return (
            isinstance(live, list)
            and len(live) == len(expected)
            and all(any(_matches(one, each) for one in live) for each in expected)
        )
    if "{{resolve:" in str(expected):
        return True  # as in AWS, dynamic references are not compared
    return str(live).lower() == str(expected).lower()


# Readers


def _bucket(bucket: Resource, _: tuple[Resource, ...]) -> Live | None:
    client, name = bucket.client(), bucket.name
    client.head_bucket(Bucket=name)  # raises if the bucket is missing; a missing setting is caught below

    def setting(operation: str, member: str) -> Any:
        try:
            return getattr(client, operation)(Bucket=name)[member]
        except ClientError as error:
            if MISSING_CODES.search(error.response["Error"]["Code"]):
                return None
            raise

    encryption = setting("get_bucket_encryption", "ServerSideEncryptionConfiguration")
    return {
        "BucketEncryption": encryption and {"ServerSideEncryptionConfiguration": [_in_template(encryption)]},
        "PublicAccessBlockConfiguration": setting(
            "get_public_access_block", "PublicAccessBlockConfiguration"
        ),
        "VersioningConfiguration": {"Status": client.get_bucket_versioning(Bucket=name).get("Status")},
    }


def _in_template(encryption: Live) -> dict[str, Any]:
    (rule,) = encryption["Rules"]
    names = {"ApplyServerSideEncryptionByDefault": "ServerSideEncryptionByDefault"}
    return {names.get(key, key): value for key, value in rule.items()}


def _key(key: Resource, _: tuple[Resource, ...]) -> Live:
    status = key.client().get_key_rotation_status(KeyId=key.physical_id)
    return {"EnableKeyRotation": status["KeyRotationEnabled"]}


def _log_group(group: Resource, _: tuple[Resource, ...]) -> Live | None:
    found = group.client().describe_log_groups(logGroupNamePrefix=group.name)["logGroups"]
    return next(
        (
            {"RetentionInDays": each.get("retentionInDays")}
            for each in found
            if each["logGroupName"] == group.name
        ),
        None,
    )


def _function(function: Resource, _: tuple[Resource, ...]) -> Live:
    client, name = function.client(), {"FunctionName": function.name}
    configuration = client.get_function_configuration(**name)
    return {
        **{key: configuration.get(key) for key in ("Handler", "MemorySize", "Runtime", "Timeout")},
        "Environment": configuration.get("Environment"),
        "ReservedConcurrentExecutions": client.get_function_concurrency(**name).get(
            "ReservedConcurrentExecutions"
        ),
    }


def _rule_of_events(rule: Resource, _: tuple[Resource, ...]) -> Live:
    bus = rule.properties.get("EventBusName")
    found = rule.client().describe_rule(Name=rule.name, **({"EventBusName": bus} if bus else {}))
    return {"State": found["State"], "ScheduleExpression": found.get("ScheduleExpression")}


def _instance(instance: Resource, _: tuple[Resource, ...]) -> Live:
    (found,) = instance.client().describe_db_instances(DBInstanceIdentifier=instance.name)["DBInstances"]
    names = ("BackupRetentionPeriod", "DeletionProtection", "MultiAZ", "PubliclyAccessible")
    return {name: found.get(name) for name in names}


def _balancer(balancer: Resource, _: tuple[Resource, ...]) -> Live:
    client = balancer.client()
    found = client.describe_load_balancer_attributes(LoadBalancerArn=balancer.physical_id)["Attributes"]
    named = {attribute["Key"] for attribute in balancer.properties.get("LoadBalancerAttributes") or ()}
    (described,) = client.describe_tags(ResourceArns=[balancer.physical_id])["TagDescriptions"]
    return {
        "LoadBalancerAttributes": [attribute for attribute in found if attribute["Key"] in named],
        "Tags": described["Tags"],
    }


def _bucket_policy(policy: Resource, _: tuple[Resource, ...]) -> Live:
    found = policy.client().get_bucket_policy(Bucket=policy.properties["Bucket"])["Policy"]
    return {"PolicyDocument": json.loads(found)}


def _rules(ec2: Any, group: str) -> list[dict[str, Any]]:
    pages = ec2.get_paginator("describe_security_group_rules")
    where = [{"Name": "group-id", "Values": [group]}]
    return [rule for page in pages.paginate(Filters=where) for rule in page["SecurityGroupRules"]]


def _group(group: Resource, others: tuple[Resource, ...]) -> Live:
    client = group.client()
    client.describe_security_groups(GroupIds=[group.physical_id])
    elsewhere = {each.physical_id for each in others if each.type_name in _RULES}
    own = [r for r in _rules(client, group.physical_id) if r["SecurityGroupRuleId"] not in elsewhere]
    return {
        name: [_rule(rule, egress=egress) for rule in own if rule["IsEgress"] is egress]
        for name, egress in (("SecurityGroupIngress", False), ("SecurityGroupEgress", True))
    }


def _rule(rule: Mapping[str, Any], *, egress: bool) -> dict[str, Any]:
    """Return a rule of the API under the names that templates use."""
    side = "Destination" if egress else "Source"
    names = {
        "IpProtocol": rule["IpProtocol"],
        "FromPort": rule.get("FromPort"),
        "ToPort": rule.get("ToPort"),
        "CidrIp": rule.get("CidrIpv4"),
        "CidrIpv6": rule.get("CidrIpv6"),
        f"{side}SecurityGroupId": rule.get("ReferencedGroupInfo", {}).get("GroupId"),
        f"{side}PrefixListId": rule.get("PrefixListId"),
        "Description": rule.get("Description"),
    }
    if rule["IpProtocol"] == "-1":
        del names["FromPort"], names["ToPort"]
    return {key: value for key, value in names.items() if value not in (None, "")}


def _single_rule(rule: Resource, _: tuple[Resource, ...]) -> Live | None:
    """Return no properties if the rule exists, else None: a rule's content can't be changed in place."""
    found = _rules(rule.client(), rule.properties["GroupId"])
    return {} if rule.physical_id in {each["SecurityGroupRuleId"] for each in found} else None


READERS: Mapping[str, Callable[[Resource, tuple[Resource, ...]], Live | None]] = MappingProxyType(
    {
        "AWS::EC2::SecurityGroup": _group,
        "AWS::ElasticLoadBalancingV2::LoadBalancer": _balancer,
        "AWS::Events::Rule": _rule_of_events,
        "AWS::KMS::Key": _key,
        "AWS::Lambda::Function": _function,
        "AWS::Logs::LogGroup": _log_group,
        "AWS::RDS::DBInstance": _instance,
        "AWS::S3::Bucket": _bucket,
        "AWS::S3::BucketPolicy": _bucket_policy,
        **dict.fromkeys(_RULES, _single_rule),
    }
)
"""By type; each reads the properties that people change by hand."""
