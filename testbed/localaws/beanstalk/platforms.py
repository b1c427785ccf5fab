"""The platforms of environments: moto's list and newer branches."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from moto.elasticbeanstalk.responses import SOLUTION_STACK_DETAILS

NEWER_STACKS = ("64bit Amazon Linux 2023 v4.9.2 running Python 3.14",)
DEFAULT_STACK = NEWER_STACKS[0]


def add_newer_stacks() -> None:
    known = {stack["SolutionStackName"] for stack in SOLUTION_STACK_DETAILS}
    for name in NEWER_STACKS:
        if name not in known:
            SOLUTION_STACK_DETAILS.insert(0, {"SolutionStackName": name, "PermittedFileTypes": ["zip"]})


def branch_and_version(stack: str) -> tuple[str, str]:
    """`64bit Amazon Linux 2023 v4.6.0 running Python 3.13` → its branch's name and `4.6.0`."""
    named = re.fullmatch(r"(.*) v([\d.]+) running (.*)", stack)
    return (f"{named[3]} running on {named[1]}", named[2]) if named else (stack, "1.0.0")


def platform_arn(stack: str, region: str) -> str:
    branch, version = branch_and_version(stack)
    return f"arn:aws:elasticbeanstalk:{region}::platform/{branch}/{version}"


def stack_of(arn: str, region: str) -> str | None:
    names = (str(stack["SolutionStackName"]) for stack in SOLUTION_STACK_DETAILS)
    return next((name for name in names if platform_arn(name, region) == arn), None)


def python_version(stack: str) -> str:
    """Return the branch's version of Python; 3.14 for other languages, which do not run here."""
    named = re.search(r"Python (\d\.\d+)", stack)
    return named[1] if named else "3.14"


def summaries(region: str) -> Iterator[dict[str, Any]]:
    """Yield the PlatformSummary of each stack; PlatformName serves the filter of that name."""
    for details in SOLUTION_STACK_DETAILS:
        stack = str(details["SolutionStackName"])
        branch, version = branch_and_version(stack)
        language = re.match(r"[A-Za-z.+ ]*[A-Za-z.]", branch.split(" running ")[0])
        yield {
            "PlatformArn": platform_arn(stack, region),
            "PlatformOwner": "AWSElasticBeanstalk",
            "PlatformStatus": "Ready",
            "PlatformCategory": language[0] if language else branch,
            "PlatformName": branch,
            "OperatingSystemName": "Amazon Linux",
            "OperatingSystemVersion": "2023" if "2023" in stack else "2",
            "SupportedTierList": ["WebServer/Standard", "Worker/SQS/HTTP"],
            "SupportedAddonList": ["Log/S3"],
            "PlatformLifecycleState": "Recommended",
            "PlatformVersion": version,
            "PlatformBranchName": branch,
            "PlatformBranchLifecycleState": "Supported",
            "SolutionStackName": stack,
        }


def matches(value: str, test: dict[str, Any]) -> bool:
    """Return whether a value matches one filter of ListPlatformVersions or ListPlatformBranches."""
    expected = [str(each) for each in test.get("Values") or []]
    match test.get("Operator", "="):
        case "!=" | "not_in":
            return value not in expected
        case "contains":
            return any(each in value for each in expected)
        case "begins_with":
            return value.startswith(tuple(expected))
        case "ends_with":
            return value.endswith(tuple(expected))
        case _:
            return value in expected
