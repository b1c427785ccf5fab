"""Story of beanvault/deployment/platform_version.py and beanvault/deployment/environment_state.py.

Which platform version the stack names: AWS's recommended one, and none where one runs already.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from beanvault.aws import Aws
from beanvault.deployment import environment_state
from beanvault.deployment.platform_version import NoPlatformVersion, PlatformVersion, platform_arn
from templates.deployment_file import parse

BRANCH = "Python 3.14 running on 64bit Amazon Linux 2023"
OTHER = "Python 3.13 running on 64bit Amazon Linux 2023"
FILE = parse({"name": "shop", "region": "eu-central-1", "vault": {"where": "host"}})


def _arn(version: str, branch: str = BRANCH) -> str:
    return f"arn:aws:elasticbeanstalk:eu-central-1::platform/{branch}/{version}"


def _summary(version: str, state: str = "Recommended", **more: str) -> dict[str, Any]:
    return {
        "PlatformArn": _arn(version, more.pop("branch", BRANCH)),
        "PlatformLifecycleState": state,
        "PlatformBranchLifecycleState": "Supported",
        "PlatformStatus": "Ready",
        **more,
    }


def _chosen(running: list[dict[str, Any]], listed: list[list[dict[str, Any]]] | None = None) -> str:
    """Return the ARN that is named; *listed* are the pages of ListPlatformVersions, if it may be called."""
    aws = Aws(boto3.session.Session("x", "x", region_name="eu-central-1"))
    with Stubber(aws.client("elasticbeanstalk")) as stubber:
        stubber.add_response(
            "describe_environments",
            {"Environments": running},
            {"ApplicationName": "shop", "EnvironmentNames": ["shop-app"], "IncludeDeleted": False},
        )
        for index, page in enumerate(listed or []):
            more = {"NextToken": str(index + 1)} if index + 1 < len(listed or []) else {}
            stubber.add_response("list_platform_versions", {"PlatformSummaryList": page, **more})
        chosen = platform_arn(aws, FILE, creating=False)
        stubber.assert_no_pending_responses()
    return chosen


def test_a_new_environment_gets_the_recommended_version_from_whichever_page() -> None:
    pages = [[_summary("4.9.10", ""), _summary("4.9.9", "")], [_summary("4.9.11")]]
    assert _chosen([], pages) == _arn("4.9.11")


@pytest.mark.parametrize("state", ["Recommended", "recommended"])
def test_versions_are_compared_as_numbers_and_states_without_case(state: str) -> None:
    assert _chosen([], [[_summary("4.10.0", state), _summary("4.9.3", state)]]) == _arn("4.10.0")


@pytest.mark.parametrize("version", ["4.0.0", "4.9.3", "9.0.0"])
def test_what_runs_is_kept_whether_older_or_newer_than_recommended(version: str) -> None:
    """Nothing is even asked for: managed updates move the environment on, and a deployment never back."""
    assert _chosen([{"PlatformArn": _arn(version), "Status": "Ready"}]) == ""


def test_what_an_attempt_left_running_does_not_count_for_a_stack_that_is_new() -> None:
    """It is deleted with the stack, after the parameters were asked for."""
    aws = Aws(boto3.session.Session("x", "x", region_name="eu-central-1"))
    with Stubber(aws.client("elasticbeanstalk")) as stubber:
        stubber.add_response("list_platform_versions", {"PlatformSummaryList": [_summary("4.9.3")]})
        assert platform_arn(aws, FILE, creating=True) == _arn("4.9.3")


def test_another_branch_in_the_deployment_file_is_a_choice() -> None:
    running = [{"PlatformArn": _arn("9.0.0", OTHER), "Status": "Ready"}]
    assert _chosen(running, [[_summary("4.9.3")]]) == _arn("4.9.3")


@pytest.mark.parametrize("status", ["Terminating", "Terminated"])
def test_an_environment_that_is_going_counts_as_none(status: str) -> None:
    gone = [{"PlatformArn": _arn("4.0.0"), "Status": status}]
    assert _chosen(gone, [[_summary("4.9.3")]]) == _arn("4.9.3")


@pytest.mark.parametrize(
    "listed",
    [
        [],
        [_summary("4.9.3", "")],
        [_summary("4.9.3", PlatformBranchLifecycleState="Retired")],
        [_summary("4.9.3", PlatformStatus="Deleting")],
        [_summary("4.9.3", branch=OTHER)],
    ],
)
def test_nothing_recommended_is_an_error_with_a_remedy(listed: list[dict[str, Any]]) -> None:
    with pytest.raises(NoPlatformVersion, match=f"nothing was changed: .* {BRANCH} in eu-central-1") as error:
        _chosen([], [listed])
    assert "aws elasticbeanstalk list-platform-branches" in error.value.remedy


def test_a_custom_platform_is_no_version_of_a_branch() -> None:
    custom = "arn:aws:elasticbeanstalk:eu-central-1:123456789012:platform/own/1.0.0"
    assert PlatformVersion.of(custom) is None
    china = f"arn:aws-cn:elasticbeanstalk:cn-north-1::platform/{BRANCH}/4.9.3"
    assert PlatformVersion.of(china) == PlatformVersion(china, BRANCH, (4, 9, 3))


def test_an_environment_that_runs_something_else_after_the_update_is_an_error() -> None:
    """Beanstalk documents nowhere what it does when the stack takes the label out."""
    before = environment_state.EnvironmentVersions("shop-app", "placeholder", _arn("4.9.3"), "host")
    environment_state.require_unchanged(before, dataclasses.replace(before), FILE)
    for after in (
        dataclasses.replace(before, version="Sample Application"),
        dataclasses.replace(before, platform_arn=_arn("4.9.2")),
        None,
    ):
        with pytest.raises(environment_state.VersionsChanged, match="runs placeholder on") as error:
            environment_state.require_unchanged(before, after, FILE)
        assert str(after or "it is absent") in str(error.value)
        assert error.value.remedy.endswith("beanvault bundle && eb deploy shop-app --timeout 40")


def test_what_runs_is_said_in_words() -> None:
    state = environment_state.EnvironmentVersions("shop-app", "v1", _arn("4.9.3"), "shop-app.example.com")
    assert str(state) == f"shop-app runs v1 on {BRANCH}, version 4.9.3"
