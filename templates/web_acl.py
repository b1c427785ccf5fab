"""The web ACL in front of the load balancer: AWS's managed rule groups, a rate limit, redacted logs."""

from troposphere import GetAtt, Ref, Template
from troposphere.elasticloadbalancingv2 import LoadBalancer
from troposphere.wafv2 import (
    AllowAction,
    BlockAction,
    DefaultAction,
    LoggingConfiguration,
    LoggingConfigurationFieldToMatch,
    ManagedRuleGroupStatement,
    OverrideAction,
    RateBasedStatement,
    RuleAction,
    SingleHeader,
    Statement,
    VisibilityConfig,
    WebACL,
    WebACLAssociation,
    WebACLRule,
)

from templates.deployment import Deployment
from templates.log_groups import add_log_group
from templates.policies import arns
from templates.resource_tags import tags

_MANAGED_RULE_GROUPS = (
    "AWSManagedRulesAmazonIpReputationList",
    "AWSManagedRulesCommonRuleSet",
    "AWSManagedRulesKnownBadInputsRuleSet",
    "AWSManagedRulesSQLiRuleSet",
)
_REDACTED_HEADERS = ("authorization", "cookie")


def add_web_acl(template: Template, deployment: Deployment, layer: str, balancer: LoadBalancer) -> None:
    """Add the web ACL, its logs and its association with *balancer*."""
    acl = template.add_resource(
        WebACL(
            "WebAcl",
            Name=f"{deployment.name}-edge",
            Description="Requests that the load balancer blocks before they reach the application",
            Scope="REGIONAL",
            DefaultAction=DefaultAction(Allow=AllowAction()),
            Rules=[_rate_limit(deployment), *_managed_rules()],
            VisibilityConfig=_visibility("WebAcl"),
            Tags=tags(deployment, layer, "edge"),
        )
    )
    template.add_resource(
        WebACLAssociation("WebAclAssociation", ResourceArn=Ref(balancer), WebACLArn=GetAtt(acl, "Arn"))
    )
    # WAF requires the prefix of the name.
    logs = add_log_group(template, deployment, layer, "WebAclLogGroup", f"aws-waf-logs-{deployment.name}")
    template.add_resource(
        LoggingConfiguration(
            "WebAclLogging",
            ResourceArn=GetAtt(acl, "Arn"),
            LogDestinationConfigs=[
                # The group's own Arn attribute ends in `:*`, which WAF refuses.
                arns.log_group("${Group}", Group=Ref(logs))
            ],
            RedactedFields=[
                LoggingConfigurationFieldToMatch(SingleHeader=SingleHeader(Name=header))
                for header in _REDACTED_HEADERS
            ],
        )
    )


def _rate_limit(deployment: Deployment) -> WebACLRule:
    return WebACLRule(
        Name="RateLimit",
        Priority=0,
        Action=RuleAction(Block=BlockAction()),
        Statement=Statement(
            RateBasedStatement=RateBasedStatement(
                AggregateKeyType="IP", Limit=deployment.edge.waf_requests_per_five_minutes
            )
        ),
        VisibilityConfig=_visibility("RateLimit"),
    )


def _managed_rules() -> list[WebACLRule]:
    return [
        WebACLRule(
            Name=name,
            Priority=priority,
            OverrideAction=OverrideAction(**{"None": {}}),
            Statement=Statement(
                ManagedRuleGroupStatement=ManagedRuleGroupStatement(VendorName="AWS", Name=name)
            ),
            VisibilityConfig=_visibility(name),
        )
        for priority, name in enumerate(_MANAGED_RULE_GROUPS, start=1)
    ]


def _visibility(metric: str) -> VisibilityConfig:
    return VisibilityConfig(CloudWatchMetricsEnabled=True, SampledRequestsEnabled=False, MetricName=metric)
