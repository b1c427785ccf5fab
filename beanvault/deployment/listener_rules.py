"""The listener rules that Beanstalk makes on the shared load balancer: do all host names reach the app?

The environment asks for two, `default` (the environment's own name) and `domain`. Whether Beanstalk makes
both when they are named by the API is documented nowhere, so it is asked:
https://docs.aws.amazon.com/elasticbeanstalk/latest/dg/environments-cfg-alb-shared.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from templates.edge_layer import HTTPS_LISTENER_ARN

from ..errors import BeanvaultError
from . import environment_state
from .deployment_context import DeploymentContext

if TYPE_CHECKING:
    from mypy_boto3_elbv2.type_defs import RuleTypeDef


class MissingRule(BeanvaultError):
    """The listener has no rule for a host name of the environment: its visitors get the default answer."""


def require_rules(context: DeploymentContext) -> None:
    """Check that the listener has a rule for each host name of the environment.

    Raises:
        MissingRule: it hasn't; the remedy makes it
    """
    state = environment_state.describe(context.aws, context.deployment)
    listener = context.aws.exports().get(HTTPS_LISTENER_ARN.export_name(context.deployment))
    if state is None or listener is None:
        return  # neither is deployed yet
    expected = [host for host in (state.host, context.deployment.domain.name) if host]
    pages = context.aws.client("elbv2").get_paginator("describe_rules").paginate(ListenerArn=listener)
    rules = [rule for page in pages for rule in page["Rules"]]
    routed = {host: _target_group(rule) for rule in rules for host in _hosts(rule)}
    missing = [host for host in expected if host.casefold() not in routed]
    if not missing:
        context.ui.step(f"the listener forwards {' and '.join(expected)} to {state.name}")
        return
    group = next((routed[host.casefold()] for host in expected if host not in missing), "")
    name = context.deployment.environment_name
    raise MissingRule(
        f"Beanstalk made no listener rule for {', '.join(missing)}: requests for it don't reach {name}. "
        "Delete a rule made by hand before `beanvault destroy`: a target group in use can't be deleted",
        _create_rule(listener, _free_priority(rules), missing[0], group)
        if group
        else f"aws elasticbeanstalk rebuild-environment --environment-name {name}",
    )


def _hosts(rule: RuleTypeDef) -> list[str]:
    return [
        host.casefold()
        for condition in rule.get("Conditions", ())
        for host in condition.get("HostHeaderConfig", {}).get("Values") or condition.get("Values", ())
        if condition.get("Field") == "host-header"
    ]


def _target_group(rule: RuleTypeDef) -> str:
    return next((each["TargetGroupArn"] for each in rule.get("Actions", ()) if "TargetGroupArn" in each), "")


def _free_priority(rules: list[RuleTypeDef]) -> int:
    taken = {rule.get("Priority") for rule in rules}
    return next(number for number in range(1, 50001) if str(number) not in taken)


def _create_rule(listener: str, priority: int, host: str, group: str) -> str:
    return (
        f"aws elbv2 create-rule --listener-arn {listener} --priority {priority} "
        f"--conditions Field=host-header,Values={host} --actions Type=forward,TargetGroupArn={group} "
        f"--region {listener.split(':')[3]}"
    )
