"""Story of testbed/localaws/beanstalk/platforms.py and testbed/localaws/beanstalk/managed_updates.py.

Elastic Beanstalk's platform versions over the wire: what is offered, refused, and moved on.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from testbed.servers.localaws import REGION, LocalAws
from tests.polling import until

BRANCH = "Python 3.14 running on 64bit Amazon Linux 2023"
NEXT = "4.99.0"
MANAGED = [
    {
        "Namespace": "aws:elasticbeanstalk:managedactions",
        "OptionName": "ManagedActionsEnabled",
        "Value": "true",
    }
]


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    server = LocalAws.start(tmp_path_factory.mktemp("aws"))
    server.client("elasticbeanstalk").create_application(ApplicationName="demo")
    yield server
    server.stop()


@pytest.fixture
def beanstalk(aws: LocalAws) -> Iterator[Any]:
    aws.tell()
    yield aws.client("elasticbeanstalk")
    aws.tell()


def _arn(version: str) -> str:
    return f"arn:aws:elasticbeanstalk:{REGION}::platform/{BRANCH}/{version}"


def _offered(beanstalk: Any) -> dict[str, str]:
    """Return the branch's versions that are offered, with their lifecycle state."""
    filters = [{"Type": "PlatformBranchName", "Operator": "=", "Values": [BRANCH]}]
    listed = beanstalk.list_platform_versions(Filters=filters)["PlatformSummaryList"]
    return {each["PlatformVersion"]: each["PlatformLifecycleState"] for each in listed}


def _create(beanstalk: Any, name: str, **platform: str) -> Any:
    return beanstalk.create_environment(
        ApplicationName="demo", EnvironmentName=name, OptionSettings=MANAGED, **platform
    )


def _described(beanstalk: Any, name: str) -> Any:
    return beanstalk.describe_environments(EnvironmentNames=[name])["Environments"][-1]


def _ready(beanstalk: Any, name: str) -> Any:
    return until(lambda: (found := _described(beanstalk, name))["Status"] == "Ready" and found)


def test_a_superseded_version_is_refused_by_arn_and_by_name(beanstalk: Any) -> None:
    with pytest.raises(ClientError, match=r"No Platform named 'arn:.*/4\.9\.2' found"):
        _create(beanstalk, "pinned", PlatformArn=_arn("4.9.2"))
    with pytest.raises(ClientError, match=r"No Solution Stack named .* found"):
        _create(beanstalk, "pinned", SolutionStackName="64bit Amazon Linux 2023 v4.9.2 running Python 3.14")
    with pytest.raises(ClientError, match="must be specified"):
        _create(beanstalk, "pinned")
    assert beanstalk.describe_environments(EnvironmentNames=["pinned"])["Environments"] == []


def test_listings_have_pages_and_every_lifecycle_state(beanstalk: Any) -> None:
    pages = list(beanstalk.get_paginator("list_platform_versions").paginate())
    assert len(pages) > 1
    listed = [each for page in pages for each in page["PlatformSummaryList"]]
    assert len({each["PlatformArn"] for each in listed}) == len(listed)
    assert "Retired" not in {each["PlatformBranchLifecycleState"] for each in listed}
    retired = beanstalk.list_platform_branches(
        Filters=[{"Attribute": "LifecycleState", "Operator": "=", "Values": ["retired"]}]
    )["PlatformBranchSummaryList"]
    assert [each["LifecycleState"] for each in retired] == ["Retired"]


def test_a_filter_that_is_not_documented_is_refused(beanstalk: Any) -> None:
    wrong = {"Type": "PlatformBranchLifecycleState", "Operator": "=", "Values": ["Supported"]}
    with pytest.raises(ClientError, match="Invalid platform filter"):
        beanstalk.list_platform_versions(Filters=[wrong])


def test_a_release_supersedes_and_a_managed_update_moves_the_environment_on(
    aws: LocalAws, beanstalk: Any
) -> None:
    ((version, state),) = _offered(beanstalk).items()
    assert state == "Recommended"
    _create(beanstalk, "moving", PlatformArn=_arn(version))
    assert _ready(beanstalk, "moving")["PlatformArn"] == _arn(version)
    assert beanstalk.describe_environment_managed_actions(EnvironmentName="moving")["ManagedActions"] == []

    aws.tell(platform_releases={BRANCH: NEXT})
    assert _offered(beanstalk) == {version: "", NEXT: "Recommended"}  # in use, so still offered here
    (action,) = beanstalk.describe_environment_managed_actions(EnvironmentName="moving")["ManagedActions"]
    beanstalk.apply_environment_managed_action(EnvironmentName="moving", ActionId=action["ActionId"])
    assert _ready(beanstalk, "moving")["PlatformArn"] == _arn(NEXT)
    # Used less than 30 days ago, so an update that names it is not refused.
    beanstalk.update_environment(EnvironmentName="moving", PlatformArn=_arn(version))
    assert _ready(beanstalk, "moving")["PlatformArn"] == _arn(version)
    with pytest.raises(ClientError, match="No Platform named"):
        beanstalk.update_environment(EnvironmentName="moving", PlatformArn=_arn("4.9.1"))
