"""Artifacts and the trial's certificate, on the local AWS."""

from __future__ import annotations

import datetime as dt
import uuid

import pytest

from beanvault import certificates
from beanvault.artifacts import Store
from beanvault.aws import Aws
from demo.servers.localaws import LocalAws


@pytest.fixture
def aws(local_aws: LocalAws) -> Aws:
    return Aws(local_aws.session(), local_aws.endpoint)


def test_the_same_content_is_uploaded_once(aws: Aws) -> None:
    client = aws.client("s3")
    store = Store.of(aws, "shop")
    own = Store(aws, f"artifacts-{uuid.uuid4().hex[:8]}-{aws.account()}", store.folder)
    client.create_bucket(Bucket=own.bucket, CreateBucketConfiguration={"LocationConstraint": aws.region})
    first = own.put("replicator", ".zip", b"one")
    written = client.head_object(Bucket=own.bucket, Key=first.key)["LastModified"]
    assert own.put("replicator", ".zip", b"one") == first
    assert client.head_object(Bucket=own.bucket, Key=first.key)["LastModified"] == written
    assert own.put("replicator", ".zip", b"two").key != first.key
    assert first.key.startswith("beanvault/shop/replicator-")
    assert store.bucket == f"elasticbeanstalk-{aws.region}-{aws.account()}"


def test_the_certificate_is_kept_while_it_is_good_and_renewed_under_its_arn(aws: Aws) -> None:
    name, now = f"c{uuid.uuid4().hex[:8]}", dt.datetime.now(dt.UTC)
    long_ago = now - certificates.LIFETIME + dt.timedelta(days=10)
    arn = certificates.self_signed(aws, name, "app.example.com", long_ago)
    client = aws.client("acm")

    def serial() -> str:
        return str(client.describe_certificate(CertificateArn=arn)["Certificate"]["Serial"])

    ending = serial()
    assert certificates.self_signed(aws, name, "app.example.com", now) == arn
    renewed = serial()
    assert renewed != ending
    assert certificates.self_signed(aws, name, "app.example.com", now) == arn
    assert serial() == renewed
    assert certificates.find(aws, f"{name}x") is None
    assert certificates.delete(aws, name) == arn
    assert certificates.find(aws, name) is None
