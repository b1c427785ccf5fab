"""Whether Beanstalk made a listener rule for each host name, with each way in which it could not have."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from beanvault.aws import Aws
from beanvault.deployment.deployment_context import DeploymentContext
from beanvault.deployment.listener_rules import MissingRule, require_rules
from beanvault.ui import NullUi
from templates.deployment_file import parse

FILE = parse(
    {
        "name": "shop",
        "region": "eu-central-1",
        "vault": {"where": "host"},
        "domain": {"certificate": "self-signed", "name": "shop.example.com"},
    }
)
LISTENER = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:listener/app/shop/1/2"
GROUP = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/awseb/1"
OWN = "Shop-App.eba-1.eu-central-1.elasticbeanstalk.com"


@dataclass(frozen=True, slots=True)
class _Heard(NullUi):
    said: list[str] = field(default_factory=list)

    def step(self, text: str) -> None:
        self.said.append(text)


def _rule(priority: str, *hosts: str) -> dict[str, Any]:
    action = {"Type": "forward", "TargetGroupArn": GROUP} if hosts else {"Type": "fixed-response"}
    conditions = [{"Field": "host-header", "HostHeaderConfig": {"Values": list(hosts)}}] if hosts else []
    return {"Priority": priority, "Conditions": conditions, "Actions": [action]}


def _require(*rules: dict[str, Any], exported: bool = True) -> list[str]:
    session = boto3.session.Session("x", "x", region_name="eu-central-1")
    aws = Aws(session)
    clients = {name: aws.client(name) for name in ("cloudformation", "elasticbeanstalk", "elbv2")}
    environment = {"CNAME": OWN, "Status": "Ready", "VersionLabel": "1"}
    exports = [{"Name": "shop-edge-HttpsListenerArn", "Value": LISTENER}] if exported else []
    for name, operation, answer in (
        ("elasticbeanstalk", "describe_environments", {"Environments": [environment]}),
        ("cloudformation", "list_exports", {"Exports": exports}),
        ("elbv2", "describe_rules", {"Rules": list(rules)}),
    ):
        stubber = Stubber(clients[name])
        stubber.add_response(operation, answer)
        stubber.activate()
    ui = _Heard()
    require_rules(DeploymentContext(FILE, Aws(session, None, {**clients}), ui, Path()))
    return ui.said


def test_both_rules_are_found_whatever_the_case_of_the_names() -> None:
    (said,) = _require(_rule("1", OWN.lower()), _rule("2", "shop.example.com"), _rule("default"))
    assert said == f"the listener forwards {OWN} and shop.example.com to shop-app"


def test_one_rule_with_both_names_is_as_good() -> None:
    assert _require(_rule("1", OWN, "shop.example.com"), _rule("default"))


def test_a_missing_rule_is_an_error_whose_remedy_makes_it() -> None:
    with pytest.raises(MissingRule, match=r"no listener rule for shop\.example\.com") as error:
        _require(_rule("1", OWN), _rule("3", "other.example.com"), _rule("default"))
    assert error.value.remedy == (
        f"aws elbv2 create-rule --listener-arn {LISTENER} --priority 2 "
        f"--conditions Field=host-header,Values=shop.example.com "
        f"--actions Type=forward,TargetGroupArn={GROUP} --region eu-central-1"
    )


def test_without_any_rule_the_environment_is_rebuilt() -> None:
    with pytest.raises(MissingRule) as error:
        _require(_rule("default"))
    assert error.value.remedy == "aws elasticbeanstalk rebuild-environment --environment-name shop-app"


def test_nothing_is_asked_before_the_listener_exists() -> None:
    assert _require(exported=False) == []
