"""Where a deployment's uploads lie: below `.beanvault/NAME/` of Beanstalk's own bucket, named by content."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from botocore.exceptions import ClientError

from ..aws import Aws, code


def beanstalk_bucket(aws: Aws) -> str:
    """Return the name of the bucket that Beanstalk has in this account and region."""
    return f"elasticbeanstalk-{aws.region}-{aws.account()}"


ARTIFACTS = ".beanvault/"
"""All deployments' artifacts. No deployment can have this name, whose versions the EB CLI puts below it."""


def artifact_folder(name: str) -> str:
    """Return the folder of the deployment *name* in that bucket."""
    return f"{ARTIFACTS}{name}"


@dataclass(frozen=True, slots=True)
class Artifact:
    """An uploaded object."""

    bucket: str
    key: str

    def url(self, aws: Aws) -> str:
        """Return the https address from which CloudFormation reads a template."""
        return f"{aws.client('s3').meta.endpoint_url}/{self.bucket}/{self.key}"


@dataclass(frozen=True, slots=True)
class Store:
    """The folder of one deployment."""

    aws: Aws
    bucket: str
    folder: str

    @classmethod
    def of(cls, aws: Aws, name: str) -> Store:
        """Return the store of the deployment *name* in this account and region."""
        return cls(aws, beanstalk_bucket(aws), artifact_folder(name))

    def put(self, name: str, suffix: str, content: bytes) -> Artifact:
        """Upload *content* unless it is uploaded already; the key holds its hash."""
        key = f"{self.folder}/{name}-{hashlib.sha256(content).hexdigest()[:32]}{suffix}"
        client = self.aws.client("s3")
        # A bucket of this name in another account is refused.
        owner = self.aws.account()
        try:
            client.head_object(Bucket=self.bucket, Key=key, ExpectedBucketOwner=owner)
        except ClientError as error:
            if code(error) not in ("404", "NoSuchKey", "NotFound"):
                raise
            client.put_object(Bucket=self.bucket, Key=key, Body=content, ExpectedBucketOwner=owner)
        return Artifact(self.bucket, key)
