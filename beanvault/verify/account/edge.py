"""Elastic Load Balancing, WAF, ACM and Route 53: what clients of the app meet first."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from ...aws import code
from .parsing import all_items, parses
from .stacks import DeploymentStacks

if TYPE_CHECKING:
    from mypy_boto3_acm import ACMClient
    from mypy_boto3_acm.type_defs import DescribeCertificateResponseTypeDef
    from mypy_boto3_elbv2 import ElasticLoadBalancingv2Client
    from mypy_boto3_elbv2.type_defs import (
        DescribeListenerAttributesOutputTypeDef,
        DescribeListenersOutputTypeDef,
        DescribeLoadBalancerAttributesOutputTypeDef,
        DescribeLoadBalancersOutputTypeDef,
        DescribeRulesOutputTypeDef,
        RuleConditionOutputTypeDef,
        RuleTypeDef,
    )
    from mypy_boto3_route53 import Route53Client
    from mypy_boto3_wafv2 import WAFV2Client
    from mypy_boto3_wafv2.type_defs import (
        GetLoggingConfigurationResponseTypeDef,
        GetWebACLForResourceResponseTypeDef,
    )


@dataclass(frozen=True, slots=True)
class LoadBalancer:
    arn: str
    name: str
    zones: int
    security_groups: frozenset[str]


@dataclass(frozen=True, slots=True)
class Listener:
    arn: str
    protocol: str
    tls_policy: str
    certificates: tuple[str, ...]


@dataclass(frozen=True, slots=True, order=True)
class ListenerAction:
    type: str
    """`forward`, `redirect`, `fixed-response`, …"""
    redirect_protocol: str = ""

    def __str__(self) -> str:
        return f"{self.type} to {self.redirect_protocol}" if self.redirect_protocol else self.type


@dataclass(frozen=True, slots=True)
class ListenerRule:
    host_names: tuple[str, ...]
    """The patterns it requires of the host name; none where any host name will do."""
    actions: tuple[ListenerAction, ...]


@dataclass(frozen=True, slots=True)
class WebAcl:
    arn: str
    name: str
    rules: tuple[str, ...]
    without_metrics: tuple[str, ...]
    """Itself or rules of it."""


@dataclass(frozen=True, slots=True)
class Certificate:
    arn: str
    status: str
    type: str
    """`AMAZON_ISSUED`, `IMPORTED` or `PRIVATE`."""
    key_algorithm: str
    not_after: dt.datetime | None
    """None while it isn't issued."""


@parses("DescribeLoadBalancers")
def _load_balancer(answer: DescribeLoadBalancersOutputTypeDef) -> LoadBalancer:
    (raw,) = answer["LoadBalancers"]
    return LoadBalancer(
        raw["LoadBalancerArn"],
        raw["LoadBalancerName"],
        len(raw["AvailabilityZones"]),
        frozenset(raw["SecurityGroups"]),
    )


@parses("DescribeLoadBalancerAttributes")
def _load_balancer_attributes(answer: DescribeLoadBalancerAttributesOutputTypeDef) -> Mapping[str, str]:
    return {each["Key"]: each["Value"] for each in answer["Attributes"]}


@parses("DescribeListenerAttributes")
def _listener_attributes(answer: DescribeListenerAttributesOutputTypeDef) -> Mapping[str, str]:
    return {each["Key"]: each["Value"] for each in answer["Attributes"]}


@parses("DescribeListeners")
def _listeners(page: DescribeListenersOutputTypeDef) -> tuple[Listener, ...]:
    return tuple(
        Listener(
            each["ListenerArn"],
            each["Protocol"],
            each.get("SslPolicy", ""),
            tuple(certificate["CertificateArn"] for certificate in each.get("Certificates", ())),
        )
        for each in page["Listeners"]
    )


@parses("DescribeRules")
def _rules(page: DescribeRulesOutputTypeDef) -> tuple[ListenerRule, ...]:
    return tuple(map(_rule, page["Rules"]))


def _rule(raw: RuleTypeDef) -> ListenerRule:
    return ListenerRule(
        tuple(
            name
            for condition in raw["Conditions"]
            if condition["Field"] == "host-header"
            for name in _host_names(condition)
        ),
        tuple(
            ListenerAction(each["Type"], each.get("RedirectConfig", {}).get("Protocol", ""))
            for each in raw["Actions"]
        ),
    )


def _host_names(raw: RuleConditionOutputTypeDef) -> list[str]:
    return raw.get("HostHeaderConfig", {}).get("Values") or raw.get("Values", [])


@parses("GetWebACLForResource")
def _web_acl(answer: GetWebACLForResourceResponseTypeDef) -> WebAcl | None:
    if not (raw := answer.get("WebACL")):
        return None  # type: ignore[unreachable]  # the stubs don't know that it is absent without a web ACL
    visibility = {
        raw["Name"]: raw["VisibilityConfig"],
        **{rule["Name"]: rule["VisibilityConfig"] for rule in raw.get("Rules", ())},
    }
    return WebAcl(
        raw["ARN"],
        raw["Name"],
        tuple(rule["Name"] for rule in raw.get("Rules", ())),
        tuple(name for name, config in visibility.items() if not config["CloudWatchMetricsEnabled"]),
    )


@parses("GetLoggingConfiguration")
def _redacted_headers(answer: GetLoggingConfigurationResponseTypeDef) -> frozenset[str]:
    return frozenset(
        field["SingleHeader"]["Name"].lower()
        for field in answer["LoggingConfiguration"].get("RedactedFields", ())
        if "SingleHeader" in field
    )


@parses("DescribeCertificate")
def _certificate(answer: DescribeCertificateResponseTypeDef) -> Certificate:
    raw = answer["Certificate"]
    return Certificate(
        raw["CertificateArn"], raw["Status"], raw["Type"], raw["KeyAlgorithm"], raw.get("NotAfter")
    )


@dataclass
class EdgeState:
    stacks: DeploymentStacks

    @cached_property
    def load_balancer(self) -> LoadBalancer:
        arn = self.stacks.first_id("AWS::ElasticLoadBalancingV2::LoadBalancer")
        return _load_balancer(self._elb.describe_load_balancers(LoadBalancerArns=[arn]))

    @cached_property
    def load_balancer_attributes(self) -> Mapping[str, str]:
        answer = self._elb.describe_load_balancer_attributes(LoadBalancerArn=self.load_balancer.arn)
        return _load_balancer_attributes(answer)

    @cached_property
    def listeners(self) -> tuple[Listener, ...]:
        pages = self._elb.get_paginator("describe_listeners").paginate(LoadBalancerArn=self.load_balancer.arn)
        return all_items(_listeners, pages)

    def listener_attributes(self, listener: Listener) -> Mapping[str, str]:
        return _listener_attributes(self._elb.describe_listener_attributes(ListenerArn=listener.arn))

    def rules(self, listener: Listener) -> tuple[ListenerRule, ...]:
        """Return the rules of a listener, including its default rule."""
        pages = self._elb.get_paginator("describe_rules").paginate(ListenerArn=listener.arn)
        return all_items(_rules, pages)

    @cached_property
    def web_acl(self) -> WebAcl | None:
        """The load balancer's web ACL, if it has one."""
        return _web_acl(self._waf.get_web_acl_for_resource(ResourceArn=self.load_balancer.arn))

    def redacted_headers(self, web_acl: WebAcl) -> frozenset[str] | None:
        """Return the headers left out of a web ACL's log; nothing where its requests are not logged."""
        try:
            return _redacted_headers(self._waf.get_logging_configuration(ResourceArn=web_acl.arn))
        except ClientError as error:
            if code(error) != "WAFNonexistentItemException":
                raise
            return None

    @cached_property
    def certificates(self) -> tuple[Certificate, ...]:
        """The certificates of the load balancer's listeners."""
        client: ACMClient = self.stacks.aws.client("acm")
        return tuple(
            _certificate(client.describe_certificate(CertificateArn=arn))
            for listener in self.listeners
            for arn in listener.certificates
        )

    def queries_logged(self, hosted_zone: str) -> bool:
        """Whether the DNS queries of a hosted zone are logged."""
        client: Route53Client = self.stacks.aws.client("route53")
        pages = client.get_paginator("list_query_logging_configs").paginate(HostedZoneId=hosted_zone)
        return any(page.get("QueryLoggingConfigs") for page in pages)

    @property
    def _elb(self) -> ElasticLoadBalancingv2Client:
        client: ElasticLoadBalancingv2Client = self.stacks.aws.client("elbv2")
        return client

    @property
    def _waf(self) -> WAFV2Client:
        client: WAFV2Client = self.stacks.aws.client("wafv2")
        return client
