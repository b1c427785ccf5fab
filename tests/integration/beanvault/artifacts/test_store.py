"""Uploads to Beanstalk's bucket, on the local AWS."""

from __future__ import annotations

import uuid

from beanvault.artifacts.store import Store
from beanvault.aws import Aws
from testbed.servers.localaws import REGION, LocalAws


def test_the_same_content_is_uploaded_once(local_aws: LocalAws) -> None:
    aws = Aws(local_aws.session(), local_aws.endpoint)
    client = aws.client("s3")
    store = Store.of(aws, "shop")
    own = Store(aws, f"artifacts-{uuid.uuid4().hex[:8]}-{aws.account()}", store.folder)
    client.create_bucket(Bucket=own.bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    first = own.put("replicator", ".zip", b"one")
    written = client.head_object(Bucket=own.bucket, Key=first.key)["LastModified"]
    assert own.put("replicator", ".zip", b"one") == first
    assert client.head_object(Bucket=own.bucket, Key=first.key)["LastModified"] == written
    assert own.put("replicator", ".zip", b"two").key != first.key
    assert first.key.startswith(".beanvault/shop/replicator-")
    assert store.bucket == f"elasticbeanstalk-{aws.region}-{aws.account()}"
