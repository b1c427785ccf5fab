"""AWS::ElasticLoadBalancingV2, AWS::WAFv2, AWS::CertificateManager, AWS::Route53 and AWS::SSM types."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from ..resource import Resource, ResourceType, same, sets

_elb = partial(ResourceType, service="elbv2")
_waf = partial(ResourceType, service="wafv2")
_route53 = partial(ResourceType, service="route53")


def _after(marker: str, resource: Resource) -> str:
    return resource.physical_id.split(marker, 1)[1]


def _balancer_name(resource: Resource) -> str:
    return _after(":loadbalancer/", resource)


def _group_name(resource: Resource) -> str:
    return "targetgroup/" + _after(":targetgroup/", resource)


def _targets(group: Resource) -> None:
    held = group.call("describe_target_health", TargetGroupArn=group.physical_id)["TargetHealthDescriptions"]
    now = group.properties.get("Targets") or []
    gone = [t["Target"] for t in held if t["Target"]["Id"] not in [target["Id"] for target in now]]
    for verb, targets in (("deregister", gone), ("register", now)):
        if targets:
            group.call(f"{verb}_targets", TargetGroupArn=group.physical_id, Targets=targets)


def _update_balancer(balancer: Resource, old: Mapping[str, Any]) -> None:
    where = {"LoadBalancerArn": balancer.physical_id}
    if balancer.changed(old, "SecurityGroups"):
        balancer.call("set_security_groups", **where, **balancer.pick("SecurityGroups"))
    if balancer.changed(old, "Subnets", "SubnetMappings"):
        balancer.call("set_subnets", **where, **balancer.pick("Subnets", "SubnetMappings"))
    if balancer.changed(old, "IpAddressType"):
        balancer.call("set_ip_address_type", **where, **balancer.pick("IpAddressType"))


def _update_rule(rule: Resource, old: Mapping[str, Any]) -> None:
    if rule.changed(old, "Actions", "Conditions"):
        rule.call("modify_rule", RuleArn=rule.physical_id, **rule.pick("Actions", "Conditions"))
    if rule.changed(old, "Priority"):
        priority = {"RuleArn": rule.physical_id, "Priority": rule.properties["Priority"]}
        rule.call("set_rule_priorities", RulePriorities=[priority])


# WAF: every change wants the lock token of the last one


def _token(acl: Resource) -> dict[str, Any]:
    where = {"Name": acl.name, "Scope": acl.properties["Scope"], "Id": acl.answer["Id"]}
    return where | {"LockToken": acl.call("get_web_acl", **where)["LockToken"]}


def _update_acl(acl: Resource, _: Mapping[str, Any]) -> None:
    plain = {key: value for key, value in acl.plain().items() if key != "Scope"}
    acl.call("update_web_acl", **_token(acl), **plain)


def _delete_acl(acl: Resource) -> None:
    acl.call("delete_web_acl", **_token(acl))


def _associate(association: Resource) -> None:
    association.call("associate_web_acl", **association.properties)
    association.physical_id = f"{association.properties['WebACLArn']}|{association.properties['ResourceArn']}"


def _put_waf_logging(logging: Resource, _: Mapping[str, Any] | None = None) -> None:
    logging.call("put_logging_configuration", LoggingConfiguration=logging.properties)
    logging.physical_id = logging.properties["ResourceArn"]


# Certificates, zones, records


def _request(certificate: Resource) -> None:
    names = (
        "DomainName",
        "SubjectAlternativeNames",
        "ValidationMethod",
        "KeyAlgorithm",
        "CertificateAuthorityArn",
    )
    tags = certificate.tag_arguments("request_certificate")
    certificate.adopt(certificate.call("request_certificate", **certificate.pick(*names), **tags))


def _create_zone(zone: Resource) -> None:
    vpcs = [{"VPCId": v["VPCId"], "VPCRegion": v["VPCRegion"]} for v in zone.properties.get("VPCs") or []]
    first = {"VPC": vpcs[0]} if vpcs else {}
    answer = zone.call(
        "create_hosted_zone",
        Name=zone.properties["Name"],
        CallerReference=f"{zone.place.stack_id}/{zone.name}",
        **zone.pick("HostedZoneConfig"),
        **first,
    )
    zone.physical_id = answer["HostedZone"]["Id"].split("/")[-1]
    zone.answer = answer.get("DelegationSet") or {}


def _record(action: str, record: Resource, _: Mapping[str, Any] | None = None) -> None:
    apart = ("HostedZoneId", "HostedZoneName", "Comment")
    content = {key: value for key, value in record.properties.items() if key not in apart}
    if "ResourceRecords" in content:
        content["ResourceRecords"] = [{"Value": value} for value in content["ResourceRecords"]]
    if "AliasTarget" in content:
        content["AliasTarget"] = {"EvaluateTargetHealth": False, **content["AliasTarget"]}
    zone = record.properties.get("HostedZoneId")
    if not zone:
        zones = record.call("list_hosted_zones")["HostedZones"]
        zone = next(found["Id"] for found in zones if found["Name"] == record.properties["HostedZoneName"])
    changes = [{"Action": action, "ResourceRecordSet": content}]
    record.call("change_resource_record_sets", HostedZoneId=zone, ChangeBatch={"Changes": changes})
    record.physical_id = record.properties["Name"]


def _parameter(parameter: Resource, old: Mapping[str, Any] | None = None) -> None:
    parameter.call("put_parameter", Name=parameter.name, Overwrite=old is not None, **parameter.plain())
    parameter.physical_id = parameter.name


TYPES = (
    _elb(
        name="AWS::ElasticLoadBalancingV2::LoadBalancer",
        create="create_load_balancer",
        answer="LoadBalancers.0",
        id="LoadBalancerArn",
        named="Name",
        name_limit=32,
        settings={"LoadBalancerAttributes": sets("modify_load_balancer_attributes", "Attributes")},
        update=_update_balancer,
        mutable=frozenset({"SecurityGroups", "Subnets", "SubnetMappings", "IpAddressType"}),
        delete="delete_load_balancer",
        attributes=same("LoadBalancerArn", "DNSName", "SecurityGroups", "LoadBalancerName")
        | {"CanonicalHostedZoneID": "CanonicalHostedZoneId", "LoadBalancerFullName": _balancer_name},
        tagged="{id}",
    ),
    _elb(
        name="AWS::ElasticLoadBalancingV2::TargetGroup",
        create="create_target_group",
        answer="TargetGroups.0",
        id="TargetGroupArn",
        named="Name",
        name_limit=32,
        settings={
            "TargetGroupAttributes": sets("modify_target_group_attributes", "Attributes"),
            "Targets": _targets,
        },
        update="modify_target_group",
        delete="delete_target_group",
        attributes=same("TargetGroupArn", "TargetGroupName") | {"TargetGroupFullName": _group_name},
        tagged="{id}",
    ),
    _elb(
        name="AWS::ElasticLoadBalancingV2::Listener",
        create="create_listener",
        answer="Listeners.0",
        id="ListenerArn",
        settings={"ListenerAttributes": sets("modify_listener_attributes", "Attributes")},
        update="modify_listener",
        whole=True,
        delete="delete_listener",
        attributes=same("ListenerArn"),
    ),
    _elb(
        name="AWS::ElasticLoadBalancingV2::ListenerRule",
        create="create_rule",
        answer="Rules.0",
        id="RuleArn",
        update=_update_rule,
        mutable=frozenset({"Actions", "Conditions", "Priority"}),
        delete="delete_rule",
        attributes={"RuleArn": "{id}", "IsDefault": "IsDefault"},
    ),
    _waf(
        name="AWS::WAFv2::WebACL",
        create="create_web_acl",
        answer="Summary",
        id="{name}|{Id}|{Scope}",
        named="Name",
        update=_update_acl,
        mutable=frozenset(
            {"DefaultAction", "Description", "Rules", "VisibilityConfig", "CustomResponseBodies"}
            | {"CaptchaConfig", "ChallengeConfig", "TokenDomains", "AssociationConfig"}
        ),
        delete=_delete_acl,
        attributes={"Arn": "ARN", "Id": "Id", "LabelNamespace": "awswaf:{account}:webacl:{name}:"},
        tagged="ARN",
    ),
    _waf(
        name="AWS::WAFv2::WebACLAssociation",
        create=_associate,
        delete="disassociate_web_acl",
        delete_with={"ResourceArn": "ResourceArn"},
    ),
    _waf(
        name="AWS::WAFv2::LoggingConfiguration",
        create=_put_waf_logging,
        update=_put_waf_logging,
        mutable=frozenset({"LogDestinationConfigs", "LoggingFilter", "RedactedFields"}),
        delete="delete_logging_configuration",
        delete_with={"ResourceArn": "ResourceArn"},
    ),
    ResourceType(
        name="AWS::CertificateManager::Certificate",
        service="acm",
        create=_request,
        known=frozenset(
            {
                "DomainName",
                "SubjectAlternativeNames",
                "ValidationMethod",
                "KeyAlgorithm",
                "CertificateAuthorityArn",
                "DomainValidationOptions",
            }
        ),
        id="CertificateArn",
        ignored=frozenset({"CertificateTransparencyLoggingPreference"}),
        delete="delete_certificate",
        tagged="{id}",
    ),
    _route53(
        name="AWS::Route53::HostedZone",
        create=_create_zone,
        known=frozenset({"Name", "VPCs"}),
        ignored=frozenset({"HostedZoneTags", "HostedZoneConfig"}),
        delete="delete_hosted_zone",
        delete_with={"Id": "{id}"},
        attributes=same("NameServers") | {"Id": "{id}"},
    ),
    _route53(
        name="AWS::Route53::RecordSet",
        create=partial(_record, "CREATE"),
        update=partial(_record, "UPSERT"),
        mutable=frozenset(
            {
                "AliasTarget",
                "Comment",
                "HealthCheckId",
                "ResourceRecords",
                "TTL",
                "Weight",
                "Failover",
                "Region",
            }
        ),
        delete=partial(_record, "DELETE"),
    ),
    ResourceType(
        name="AWS::SSM::Parameter",
        service="ssm",
        create=_parameter,
        named="Name",
        update=_parameter,
        mutable=frozenset({"AllowedPattern", "Description", "Policies", "Tier", "Type", "Value"}),
        delete="delete_parameter",
        attributes=same("Type", "Value"),
    ),
)
