"""The EC2 instance that the app runs on, from the instance metadata service (IMDSv2)."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass

TIMEOUT_SECONDS = 1.0
"""For each request; outside EC2 there is no answer."""


@dataclass(frozen=True, slots=True)
class InstanceIdentity:
    """An EC2 instance; empty fields are unknown."""

    id: str = ""
    availability_zone: str = ""


def describe(environ: Mapping[str, str]) -> InstanceIdentity:
    """Return the instance's identity as the metadata service gives it; an empty one without an answer.

    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html
    """
    if environ.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
        return InstanceIdentity()
    base = environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://169.254.169.254").rstrip("/")
    try:
        lifetime = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
        token = {"X-aws-ec2-metadata-token": _get(f"{base}/latest/api/token", lifetime, "PUT")}
        return InstanceIdentity(
            _get(f"{base}/latest/meta-data/instance-id", token),
            _get(f"{base}/latest/meta-data/placement/availability-zone", token),
        )
    except (OSError, ValueError):
        return InstanceIdentity()


def _get(url: str, headers: Mapping[str, str], method: str = "GET") -> str:
    request = urllib.request.Request(url, headers=dict(headers), method=method)  # noqa: S310 - AWS's own address, or that of AWS's SDKs
    # Never through a proxy named in the environment.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
        text: str = answer.read(200).decode("ascii")
        return text
