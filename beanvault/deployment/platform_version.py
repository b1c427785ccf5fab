"""Which version of its platform branch an environment runs: asked for, never pinned, never taken back.

A new environment gets the version that Beanstalk recommends. An existing one keeps the version that it runs,
also when a newer one is recommended: its managed updates move it on, in their window. Only another branch in
the deployment file changes the version by a deployment.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from templates.deployment import Deployment

from ..aws import Aws
from ..errors import Refused
from . import environment_state

if TYPE_CHECKING:
    from mypy_boto3_elasticbeanstalk.type_defs import PlatformFilterTypeDef, PlatformSummaryTypeDef

LIST_BRANCHES = (
    "aws elasticbeanstalk list-platform-branches --filters "
    '\'[{"Attribute": "LifecycleState", "Operator": "=", "Values": ["supported"]}]\' --query '
    "'PlatformBranchSummaryList[?PlatformName==`Python`].BranchName'"
)


class NoPlatformVersion(Refused):
    """Beanstalk recommends no version of the platform branch; nothing was changed."""


@dataclass(frozen=True, slots=True)
class PlatformVersion:
    """A version of a platform branch, as its ARN names it."""

    arn: str
    branch: str
    version: tuple[int, ...]

    @classmethod
    def of(cls, arn: str) -> PlatformVersion | None:
        """Parse `arn:aws:elasticbeanstalk:REGION::platform/BRANCH/VERSION`; None for a custom platform."""
        named = re.fullmatch(r"arn:[^:]+:elasticbeanstalk:[^:]+::platform/([^/]+)/(\d+(?:\.\d+)*)", arn)
        if named is None:
            return None
        return cls(arn, named[1], tuple(int(part) for part in named[2].split(".")))


def platform_arn(aws: Aws, deployment: Deployment, *, creating: bool) -> str:
    """Return the ARN of the platform version that the stack names; empty where what runs is kept.

    *creating*: the stack creates the environment, so what an earlier attempt left running doesn't count.

    Raises:
        NoPlatformVersion: the environment needs another version, and none is recommended
    """
    running = None if creating else running_version(aws, deployment)
    if running is not None and running.branch == deployment.platform_branch:
        return ""
    return recommended_version(aws, deployment.platform_branch).arn


def running_version(aws: Aws, deployment: Deployment) -> PlatformVersion | None:
    """Return the platform version that the environment runs; None without an environment."""
    state = environment_state.describe(aws, deployment)
    return PlatformVersion.of(state.platform_arn) if state else None


def recommended_version(aws: Aws, branch: str) -> PlatformVersion:
    """Return the newest version of *branch* that Beanstalk recommends.

    Only the branch is filtered by: lifecycle states are written `recommended` in the API's reference and
    `Recommended` in its answers and by the EB CLI, so they are compared here.
    https://docs.aws.amazon.com/elasticbeanstalk/latest/api/API_PlatformFilter.html

    Raises:
        NoPlatformVersion: there is none
    """
    pages = aws.client("elasticbeanstalk").get_paginator("list_platform_versions")
    only: PlatformFilterTypeDef = {"Type": "PlatformBranchName", "Operator": "=", "Values": [branch]}
    found = [
        version
        for page in pages.paginate(Filters=[only])
        for summary in page["PlatformSummaryList"]
        if _is_recommended(summary)
        and (version := PlatformVersion.of(summary.get("PlatformArn", "")))
        and version.branch == branch
    ]
    if not found:
        raise NoPlatformVersion(
            f"nothing was changed: Elastic Beanstalk recommends no version of {branch} in {aws.region}",
            f"set [app] platform to a branch that it supports: {LIST_BRANCHES}",
        )
    return max(found, key=lambda version: version.version)


def _is_recommended(summary: PlatformSummaryTypeDef) -> bool:
    return (
        summary.get("PlatformLifecycleState", "").casefold() == "recommended"
        and summary.get("PlatformBranchLifecycleState", "").casefold() != "retired"
        and summary.get("PlatformStatus", "Ready") == "Ready"
    )
