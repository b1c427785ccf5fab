"""Check of a bucket of Beanstalk that other environments use."""

from __future__ import annotations

from collections.abc import Iterator

from templates.deployment import Deployment

from ...aws import Aws
from ..shared_bucket import examine
from .result import PreflightResult, Verdict

NAME = "the bucket's settings"


def check_shared_bucket(deployment: Deployment, aws: Aws) -> Iterator[PreflightResult]:
    """Say what keeps an existing bucket from being used, and what of it is left as it is."""
    for found in examine(aws, deployment):
        verdict = Verdict.BAD if found.prevents else Verdict.GOOD
        yield PreflightResult(NAME, verdict, found.text, found.remedy)
