"""The control of the platform's branch, which only AWS can break."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from beanvault.aws import Aws
from beanvault.verify.account.state import AccountState
from beanvault.verify.checks.environment import CONTROLS
from templates.deployment_file import read
from tests.project import ROOT

BRANCH = "Python 3.14 running on 64bit Amazon Linux 2023"
STACK = "64bit Amazon Linux 2023 v4.99.0 running Python 3.14"
(PLATFORM,) = (control for control in CONTROLS if control.id == "SEC06-BP01")


def _observed(*branches: dict[str, Any]) -> tuple[bool, str]:
    session = boto3.session.Session("x", "x", region_name="eu-central-1")
    client = Aws(session).client("elasticbeanstalk")
    environment = {
        "SolutionStackName": STACK,
        "PlatformArn": f"arn:aws:elasticbeanstalk:eu-central-1::platform/{BRANCH}/4.99.0",
    }
    asked = {"Filters": [{"Attribute": "BranchName", "Operator": "=", "Values": [BRANCH]}]}
    with Stubber(client) as stubber:
        stubber.add_response("describe_environments", {"Environments": [environment]})
        stubber.add_response("list_platform_branches", {"PlatformBranchSummaryList": list(branches)}, asked)
        aws = Aws(session, None, {"elasticbeanstalk": client})
        (observation,) = PLATFORM.check(AccountState(read(ROOT / "config" / "dev.toml"), aws))
    return observation.ok, observation.evidence


@pytest.mark.parametrize(
    ("state", "ok"), [("Supported", True), ("supported", True), ("Deprecated", False), ("Retired", False)]
)
def test_the_platforms_branch_has_to_be_supported(state: str, ok: bool) -> None:
    """The list of available versions has the running one as long as it runs, also of a retired branch."""
    assert _observed({"BranchName": BRANCH, "LifecycleState": state}) == (
        ok,
        f"{STACK}: its branch is {state.lower()}",
    )


def test_a_branch_that_beanstalk_does_not_know_fails() -> None:
    assert _observed() == (False, f"{STACK}: its branch is unknown")
