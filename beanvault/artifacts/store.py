"""What a deployment uploads: below `beanvault/NAME/` of Beanstalk's own bucket, named by content."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from ..aws import Aws, code

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True, slots=True)
class Artifact:
    bucket: str
    key: str

    def url(self, aws: Aws) -> str:
        """Return the https address CloudFormation reads a template from."""
        client: S3Client = aws.client("s3")
        return f"{client.meta.endpoint_url}/{self.bucket}/{self.key}"


@dataclass(frozen=True, slots=True)
class Store:
    """The folder of one deployment."""

    aws: Aws
    bucket: str
    folder: str

    @classmethod
    def of(cls, aws: Aws, name: str) -> Store:
        """Return the store of the deployment *name* in this account and region."""
        return cls(aws, f"elasticbeanstalk-{aws.region}-{aws.account()}", f"beanvault/{name}")

    def put(self, name: str, suffix: str, content: bytes) -> Artifact:
        """Upload *content* unless it lies there already; its hash goes into the key."""
        key = f"{self.folder}/{name}-{hashlib.sha256(content).hexdigest()[:32]}{suffix}"
        client: S3Client = self.aws.client("s3")
        owner = self.bucket.rsplit("-", 1)[1]  # a bucket of this name in a stranger's account gets nothing
        try:
            client.head_object(Bucket=self.bucket, Key=key, ExpectedBucketOwner=owner)
        except ClientError as error:
            if code(error) not in ("404", "NoSuchKey", "NotFound"):
                raise
            client.put_object(Bucket=self.bucket, Key=key, Body=content, ExpectedBucketOwner=owner)
        return Artifact(self.bucket, key)
