"""Where the app runs, from the instance metadata service (IMDSv2)."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass

TIMEOUT = 1.0
"""Seconds for each request; off EC2 nobody answers."""


@dataclass(frozen=True, slots=True)
class InstanceIdentity:
    """An EC2 instance; empty where unknown."""

    id: str = ""
    availability_zone: str = ""


def describe(environ: Mapping[str, str]) -> InstanceIdentity:
    """Ask the metadata service, once; return what is known.

    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html
    """
    if environ.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
        return InstanceIdentity()
    base = environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://169.254.169.254").rstrip("/")
    try:
        lifetime = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
        token = {"X-aws-ec2-metadata-token": _ask(f"{base}/latest/api/token", lifetime, "PUT")}
        return InstanceIdentity(
            _ask(f"{base}/latest/meta-data/instance-id", token),
            _ask(f"{base}/latest/meta-data/placement/availability-zone", token),
        )
    except (OSError, ValueError):
        return InstanceIdentity()


def _ask(url: str, headers: Mapping[str, str], method: str = "GET") -> str:
    request = urllib.request.Request(url, headers=dict(headers), method=method)  # noqa: S310 - AWS's own address, or the one that AWS's SDKs are given
    # Never through the proxy that the environment may name.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=TIMEOUT) as answer:
        text: str = answer.read(200).decode("ascii")
        return text
