"""The instance metadata service answers as EC2's does."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from testbed.localaws.beanstalk.metadata import InstanceMetadata, MetadataService

ROLE = "latest/meta-data/iam/security-credentials/"
Serve = Callable[..., str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start services that are closed with the test; returns the endpoint."""
    started: list[MetadataService] = []

    def start(role: str | None = "app", hours: float = 6, *, token_required: bool = True) -> str:
        calls: list[str] = []

        def assume() -> dict[str, Any]:
            calls.append("assumed")
            until = datetime.now(UTC) + timedelta(hours=hours)
            number = str(len(calls))
            return {"AccessKeyId": number, "SecretAccessKey": "s", "SessionToken": "t", "Expiration": until}

        identity = InstanceMetadata("i-1", "eu-west-1", "123456789012", role, assume)
        started.append(MetadataService(identity, token_required=token_required))
        return started[-1].endpoint

    yield start
    for service in started:
        service.close()


def token(endpoint: str, seconds: str = "60") -> requests.Response:
    headers = {"X-aws-ec2-metadata-token-ttl-seconds": seconds}
    return requests.put(f"{endpoint}/latest/api/token", headers=headers, timeout=5)


def get(endpoint: str, path: str) -> requests.Response:
    headers = {"X-aws-ec2-metadata-token": token(endpoint).text}
    return requests.get(f"{endpoint}/{path}", headers=headers, timeout=5)


def test_version_1_is_refused_where_it_is_disabled(serve: Serve) -> None:
    path = "latest/meta-data/instance-id"
    assert requests.get(f"{serve()}/{path}", timeout=5).status_code == 401
    assert requests.get(f"{serve(token_required=False)}/{path}", timeout=5).text == "i-1"


def test_an_unknown_token_is_refused(serve: Serve) -> None:
    headers = {"X-aws-ec2-metadata-token": "made-up"}
    for endpoint in (serve(), serve(token_required=False)):
        answer = requests.get(f"{endpoint}/latest/meta-data/instance-id", headers=headers, timeout=5)
        assert answer.status_code == 401


@pytest.mark.parametrize("seconds", ["", "0", "21601", "x"])
def test_a_token_lives_between_a_second_and_six_hours(serve: Serve, seconds: str) -> None:
    assert token(serve(), seconds).status_code == 400


def test_the_roles_credentials_are_kept_until_they_are_about_to_expire(serve: Serve) -> None:
    lasting, ending = serve(hours=6), serve(hours=0.1)
    keys = [
        json.loads(get(each, f"{ROLE}app").text)["AccessKeyId"] for each in (lasting, lasting, ending, ending)
    ]
    assert keys == ["1", "1", "1", "2"]


def test_an_instance_without_a_profile_has_no_credentials(serve: Serve) -> None:
    assert get(serve(), ROLE).text == "app"
    assert get(serve(role=None), ROLE).status_code == 404


def test_the_identity_document_names_region_and_account(serve: Serve) -> None:
    document = json.loads(get(serve(), "latest/dynamic/instance-identity/document").text)
    assert (document["region"], document["accountId"]) == ("eu-west-1", "123456789012")
