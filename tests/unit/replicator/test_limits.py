"""Rate limits: never more than a quota, never much less."""

from __future__ import annotations

from io import BytesIO
from typing import Any

from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from urllib3 import HTTPResponse

from replicator.aws import CLIENT_CONFIG, Clients
from replicator.limits import QUOTAS, TokenBucket, keep_quotas, token_buckets


class Time:
    def __init__(self) -> None:
        self.now = 1000.0

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds


def test_five_thousand_calls_at_fifty_a_second_take_ninety_nine_seconds() -> None:
    time = Time()
    bucket = TokenBucket(50, time.clock, time.sleep)
    for _ in range(5_000):
        bucket.take()
    assert round(time.now - 1000, 6) == 99


def test_the_first_second_of_calls_goes_at_once_also_after_a_pause() -> None:
    time = Time()
    bucket = TokenBucket(50, time.clock, time.sleep)
    for _ in range(2):
        start = time.now
        for _ in range(50):
            bucket.take()
        assert time.now - start < 1e-6
        bucket.take()
        assert time.now - start > 0.01
        time.now += 3600


def test_no_window_of_a_second_exceeds_rate_and_burst() -> None:
    time = Time()
    bucket = TokenBucket(50, time.clock, time.sleep)
    stamps = []
    for _ in range(500):
        bucket.take()
        stamps.append(time.now)
    for start in range(len(stamps)):
        within = sum(1 for stamp in stamps[start:] if stamp < stamps[start] + 1 - 1e-9)
        assert within <= 100


def test_operations_that_share_a_quota_share_a_bucket() -> None:
    table = token_buckets()
    assert table["PutSecretValue"] is table["UpdateSecretVersionStage"]
    assert table["PutSecretValue"] is not table["CreateSecret"]
    assert len({operation for quota in QUOTAS for operation in quota.operations}) == len(table)


class Counted(TokenBucket):
    taken = 0

    def take(self) -> None:
        self.taken += 1


def test_every_attempt_of_a_call_takes_from_its_bucket() -> None:
    """Botocore retries a throttled call; the quota counts what is sent."""
    bucket, statuses = Counted(50), iter([400, 400, 200])

    def answer(**_: object) -> Any:  # an AWSResponse; the stubs know no handler that answers
        status = next(statuses)
        body = b"{}" if status == 200 else b'{"__type": "ThrottlingException"}'
        return AWSResponse(
            "https://local", status, HTTPHeaders(), HTTPResponse(BytesIO(body), preload_content=False)
        )

    client = Clients().session.client(
        "secretsmanager",
        region_name="eu-central-1",
        aws_access_key_id="unit",
        aws_secret_access_key="test",
        config=CLIENT_CONFIG,
    )
    keep_quotas(client, {"TagResource": bucket})
    client.meta.events.register_last("before-send", answer)
    client.tag_resource(SecretId="one", Tags=[])
    assert bucket.taken == 3


def test_reading_metadata_and_values_have_quotas_of_their_own() -> None:
    """https://aws.amazon.com/about-aws/whats-new/2025/03/aws-secrets-manager-increases-api-requests-seconds"""
    rates = {operation: quota.rate for quota in QUOTAS for operation in quota.operations}
    assert (rates["DescribeSecret"], rates["GetSecretValue"]) == (40_000, 10_000)
    buckets = token_buckets()
    assert buckets["DescribeSecret"] is not buckets["GetSecretValue"]
