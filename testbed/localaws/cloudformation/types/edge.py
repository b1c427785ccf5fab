"""AWS::ElasticLoadBalancingV2, AWS::WAFv2, AWS::CertificateManager and AWS::Route53 types."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from ..resource import Resource
from ..resource_type import ResourceType, attributes_named, names, sets

_elb = partial(ResourceType, service="elbv2")
_waf = partial(ResourceType, service="wafv2")
_route53 = partial(ResourceType, service="route53")


def _balancer_name(balancer: Resource) -> str:
    return balancer.physical_id.split(":loadbalancer/", 1)[1]


def _update_balancer(balancer: Resource, old: Mapping[str, Any]) -> None:
    where = {"LoadBalancerArn": balancer.physical_id}
    if balancer.changed(old, "SecurityGroups"):
        balancer.call("set_security_groups", **where, **balancer.pick("SecurityGroups"))
    if balancer.changed(old, "Subnets"):
        balancer.call("set_subnets", **where, **balancer.pick("Subnets"))
    if balancer.changed(old, "IpAddressType"):
        balancer.call("set_ip_address_type", **where, **balancer.pick("IpAddressType"))


# WAF: every change requires the lock token of the previous one


def _token(acl: Resource) -> dict[str, Any]:
    where = {"Name": acl.name, "Scope": acl.properties["Scope"], "Id": acl.answer["Id"]}
    return where | {"LockToken": acl.call("get_web_acl", **where)["LockToken"]}


def _update_acl(acl: Resource, _: Mapping[str, Any]) -> None:
    plain = {key: value for key, value in acl.create_arguments().items() if key != "Scope"}
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


def _create_zone(zone: Resource) -> None:
    vpcs = [{"VPCId": v["VPCId"], "VPCRegion": v["VPCRegion"]} for v in zone.properties.get("VPCs") or []]
    first = {"VPC": vpcs[0]} if vpcs else {}
    answer = zone.call(
        "create_hosted_zone",
        Name=zone.properties["Name"],
        CallerReference=f"{zone.scope.stack_id}/{zone.name}",
        **zone.pick("HostedZoneConfig"),
        **first,
    )
    zone.physical_id = answer["HostedZone"]["Id"].split("/")[-1]


def _record(action: str, record: Resource, _: Mapping[str, Any] | None = None) -> None:
    content = {key: value for key, value in record.properties.items() if key != "HostedZoneId"}
    content["AliasTarget"] = {"EvaluateTargetHealth": False, **content["AliasTarget"]}
    changes = [{"Action": action, "ResourceRecordSet": content}]
    record.call(
        "change_resource_record_sets", **record.pick("HostedZoneId"), ChangeBatch={"Changes": changes}
    )
    record.physical_id = record.properties["Name"]


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
        mutable=names("SecurityGroups Subnets IpAddressType"),
        delete="delete_load_balancer",
        attributes=attributes_named("DNSName")
        | {"CanonicalHostedZoneID": "CanonicalHostedZoneId", "LoadBalancerFullName": _balancer_name},
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
    ),
    _waf(
        name="AWS::WAFv2::WebACL",
        create="create_web_acl",
        answer="Summary",
        id="{name}|{Id}|{Scope}",
        named="Name",
        update=_update_acl,
        mutable=names("DefaultAction Description Rules VisibilityConfig"),
        delete=_delete_acl,
        attributes={"Arn": "ARN"},
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
        mutable=names("LogDestinationConfigs RedactedFields"),
        delete="delete_logging_configuration",
        delete_with={"ResourceArn": "ResourceArn"},
    ),
    ResourceType(
        name="AWS::CertificateManager::Certificate",
        service="acm",
        create="request_certificate",
        id="CertificateArn",
        ignored=names("DomainValidationOptions"),
        replace=names("DomainValidationOptions"),
        delete="delete_certificate",
        tagged="{id}",
    ),
    _route53(
        name="AWS::Route53::HostedZone",
        create=_create_zone,
        known=names("Name VPCs"),
        ignored=names("HostedZoneTags HostedZoneConfig"),
        delete="delete_hosted_zone",
        delete_with={"Id": "{id}"},
    ),
    _route53(
        name="AWS::Route53::RecordSet",
        create=partial(_record, "CREATE"),
        update=partial(_record, "UPSERT"),
        mutable=names("AliasTarget"),
        delete=partial(_record, "DELETE"),
    ),
)
