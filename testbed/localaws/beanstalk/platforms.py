"""The platforms of environments: branches with their versions, and which of them an account can use.

A version that was superseded is offered only to accounts that used it in the last 30 days:
https://docs.aws.amazon.com/elasticbeanstalk/latest/platforms/welcome.html. A retired branch is not offered
for new environments at all.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from moto.elasticbeanstalk.responses import SOLUTION_STACK_DETAILS


@dataclass(frozen=True, slots=True)
class Branch:
    """A platform branch; the newest version is the recommended one, the older ones were superseded."""

    name: str
    state: str
    """`Beta`, `Supported`, `Deprecated` or `Retired`, written as the EB CLI compares it."""
    versions: tuple[str, ...]

    @property
    def platform(self) -> str:
        """The platform's name: `Python`."""
        language = re.match(r"[A-Za-z.+ ]*[A-Za-z.]", self.name.split(" running ")[0])
        return language[0] if language else self.name


TIERS = ("WebServer/Standard", "Worker/SQS/HTTP")

_OURS = (
    Branch("Python 3.15 running on 64bit Amazon Linux 2023", "Beta", ("4.11.0",)),
    Branch("Python 3.14 running on 64bit Amazon Linux 2023", "Supported", ("4.9.1", "4.9.2", "4.9.3")),
    Branch("Python 3.13 running on 64bit Amazon Linux 2023", "Supported", ("4.9.2", "4.9.3")),
    Branch("Python 3.11 running on 64bit Amazon Linux 2023", "Deprecated", ("4.9.2", "4.9.3")),
    Branch("Python 3.9 running on 64bit Amazon Linux 2023", "Retired", ("4.6.0",)),
)
"""Branches that moto lacks, has in older versions or in no lifecycle state."""


@dataclass(frozen=True, slots=True)
class OfferedVersion:
    branch: Branch
    version: str
    recommended: bool

    @property
    def stack(self) -> str:
        """Its solution stack name."""
        language, _, system = self.branch.name.partition(" running on ")
        return f"{system} v{self.version} running {language}"

    def arn(self, region: str) -> str:
        return f"arn:aws:elasticbeanstalk:{region}::platform/{self.branch.name}/{self.version}"

    def described(self, region: str) -> dict[str, Any]:
        """Return its PlatformSummary, with the members of PlatformDescription."""
        return {
            "PlatformArn": self.arn(region),
            "PlatformOwner": "AWSElasticBeanstalk",
            "PlatformStatus": "Ready",
            "PlatformCategory": self.branch.platform,
            "PlatformName": self.branch.name,
            "OperatingSystemName": "Amazon Linux",
            "OperatingSystemVersion": "2023" if "2023" in self.branch.name else "2",
            "SupportedTierList": list(TIERS),
            "SupportedAddonList": ["Log/S3"],
            "PlatformLifecycleState": "Recommended" if self.recommended else "",
            "PlatformVersion": self.version,
            "PlatformBranchName": self.branch.name,
            "PlatformBranchLifecycleState": self.branch.state,
            "SolutionStackName": self.stack,
        }


def branches(releases: Mapping[str, str]) -> tuple[Branch, ...]:
    """Return all branches; *releases* names versions that were released since the run began."""
    ours = {branch.name for branch in _OURS}
    rest = dict(map(branch_and_version, (str(each["SolutionStackName"]) for each in SOLUTION_STACK_DETAILS)))
    known = (*_OURS, *(Branch(name, "Supported", (v,)) for name, v in rest.items() if name not in ours))
    return tuple(
        Branch(branch.name, branch.state, (*branch.versions, releases[branch.name]))
        if branch.name in releases
        else branch
        for branch in known
    )


def branch_and_version(stack: str) -> tuple[str, str]:
    """`64bit Amazon Linux 2023 v4.6.0 running Python 3.13` → its branch's name and `4.6.0`."""
    named = re.fullmatch(r"(.*) v([\d.]+) running (.*)", stack)
    return (f"{named[3]} running on {named[1]}", named[2]) if named else (stack, "1.0.0")


def platform_arn(stack: str, region: str) -> str:
    branch, version = branch_and_version(stack)
    return f"arn:aws:elasticbeanstalk:{region}::platform/{branch}/{version}"


def python_version(stack: str) -> str:
    """Return the branch's version of Python; 3.14 for other languages, which do not run here."""
    named = re.search(r"Python (\d\.\d+)", stack)
    return named[1] if named else "3.14"


def offered(used: Collection[str], releases: Mapping[str, str]) -> Iterator[OfferedVersion]:
    """Yield the versions that an account can use, which used the stacks *used* in the last 30 days."""
    for branch in branches(releases):
        for version in branch.versions:
            newest = version == branch.versions[-1] and branch.state != "Retired"
            found = OfferedVersion(branch, version, recommended=newest)
            if newest or found.stack in used:
                yield found


def newer(stack: str, releases: Mapping[str, str]) -> OfferedVersion | None:
    """Return the recommended version of a stack's branch, if it is a newer one."""
    name, version = branch_and_version(stack)
    for found in offered((), releases):
        if found.branch.name == name and found.version != version:
            return found
    return None


_FILTERS = frozenset(
    [
        "PlatformName",
        "PlatformVersion",
        "PlatformStatus",
        "PlatformBranchName",
        "PlatformLifecycleState",
        "PlatformOwner",
        "SupportedTier",
        "SupportedAddon",
        "ProgrammingLanguageName",
        "OperatingSystemName",
    ]
)
_OPERATORS = frozenset(("=", "!=", "<", "<=", ">", ">=", "contains", "begins_with", "ends_with"))
"""https://docs.aws.amazon.com/elasticbeanstalk/latest/api/API_PlatformFilter.html"""

_BRANCH_FILTERS = {
    "BranchName": frozenset(("=", "!=", "begins_with", "ends_with", "contains", "in", "not_in")),
    "LifecycleState": frozenset(("=", "!=", "in", "not_in")),
    "PlatformName": frozenset(("=", "!=", "begins_with", "ends_with", "contains", "in", "not_in")),
    "TierType": frozenset(("=", "!=")),
}
"""https://docs.aws.amazon.com/elasticbeanstalk/latest/api/API_ListPlatformBranches.html"""


def is_version_filter(test: Mapping[str, Any]) -> bool:
    """Return whether AWS documents a filter of ListPlatformVersions; each takes exactly one value."""
    return (
        test.get("Type") in _FILTERS
        and test.get("Operator") in _OPERATORS
        and len(test.get("Values") or []) == 1
    )


def is_branch_filter(test: Mapping[str, Any]) -> bool:
    """Return whether AWS documents a filter of ListPlatformBranches."""
    return test.get("Operator") in _BRANCH_FILTERS.get(str(test.get("Attribute")), frozenset())


def matches(value: str, test: Mapping[str, Any]) -> bool:
    """Return whether a value matches one filter of ListPlatformVersions or ListPlatformBranches.

    Lifecycle states are documented in lower case; the EB CLI sends them capitalised.
    """
    expected = [str(each) for each in test.get("Values") or []]
    if test.get("Type") == "PlatformLifecycleState" or test.get("Attribute") == "LifecycleState":
        value, expected = value.lower(), [each.lower() for each in expected]
    match test.get("Operator", "="):
        case "!=" | "not_in":
            return value not in expected
        case "contains":
            return any(each in value for each in expected)
        case "begins_with":
            return value.startswith(tuple(expected))
        case "ends_with":
            return value.endswith(tuple(expected))
        case "<" | "<=" | ">" | ">=" as operator:
            return _compares(value, operator, expected[0])
        case _:
            return value in expected


def _compares(value: str, operator: str, other: str) -> bool:
    left, right = (tuple(int(part) for part in re.findall(r"\d+", text)) for text in (value, other))
    return {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}[operator]
