"""What a deployment leaves outside its stacks: objects in Beanstalk's bucket, replicated secrets, log groups.

Beanstalk's bucket is the account's, one for each region: several deployments and other environments share it,
and CloudFormation would delete it with the deployment that made it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from replicator.model import TAG_OWNER
from templates.deployment import Deployment

from .aws import Aws, code

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

RECOVERY_DAYS = 7
"""Days in which a deleted secret can be restored; the least Secrets Manager takes."""


@dataclass(frozen=True, slots=True)
class Trace:
    """One thing that no stack holds."""

    kind: str
    """`secret` or `log group`."""
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


def beanstalk_bucket(aws: Aws) -> str:
    return f"elasticbeanstalk-{aws.region}-{aws.account()}"


def strangers(aws: Aws, deployment: Deployment) -> tuple[str, ...]:
    """Return whose objects besides the deployment's lie in Beanstalk's bucket, as prefixes or keys.

    `resources/` holds what Beanstalk itself keeps for environments, `.elasticbeanstalk` is its mark.
    """
    ours = {*_folders(deployment), "beanvault/", "resources/", ".elasticbeanstalk"}
    found = [*_level(aws, ""), *_level(aws, "beanvault/")]
    return tuple(name for name in found if name not in ours)


def remove_objects(aws: Aws, deployment: Deployment) -> None:
    """Delete the deployment's artifacts and application versions from Beanstalk's bucket."""
    for folder in _folders(deployment):
        empty(aws, beanstalk_bucket(aws), folder)


def find(aws: Aws, deployment: Deployment) -> tuple[Trace, ...]:
    """Return the replicated secrets of the deployment, and the log groups Beanstalk made for it."""
    return (
        *(Trace("secret", secret["Name"]) for secret in _secrets(aws, deployment)),
        *(Trace("log group", name) for name in _log_groups(aws, deployment)),
    )


def remove(aws: Aws, deployment: Deployment) -> None:
    """Delete what `find` finds. Secrets can be restored for a week."""
    secrets = aws.client("secretsmanager")
    for secret in _secrets(aws, deployment):
        described = secrets.describe_secret(SecretId=secret["ARN"])
        regions = [replica["Region"] for replica in described.get("ReplicationStatus", ())]
        if regions:  # a secret with replicas can't be deleted
            secrets.remove_regions_from_replication(SecretId=secret["ARN"], RemoveReplicaRegions=regions)
        secrets.delete_secret(SecretId=secret["ARN"], RecoveryWindowInDays=RECOVERY_DAYS)
    for name in _log_groups(aws, deployment):
        aws.client("logs").delete_log_group(logGroupName=name)


def empty(aws: Aws, bucket: str, prefix: str = "") -> None:
    """Delete all versions of all objects of *bucket* whose keys begin with *prefix*."""
    client: S3Client = aws.client("s3")
    try:
        for page in client.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix):
            entries = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
            doomed = [{"Key": entry["Key"], "VersionId": entry["VersionId"]} for entry in entries]
            if doomed:
                client.delete_objects(Bucket=bucket, Delete={"Objects": doomed, "Quiet": True})  # type: ignore[typeddict-item]  # plain dictionaries are what the stubs' types are
    except ClientError as error:
        if code(error) != "NoSuchBucket":
            raise


def _folders(deployment: Deployment) -> tuple[str, str]:
    return f"beanvault/{deployment.name}/", f"{deployment.application_name}/"


def _level(aws: Aws, prefix: str) -> Iterator[str]:
    """Yield folders and keys directly below *prefix*."""
    pages = aws.client("s3").get_paginator("list_objects_v2")
    try:
        for page in pages.paginate(Bucket=beanstalk_bucket(aws), Prefix=prefix, Delimiter="/"):
            yield from (folder["Prefix"] for folder in page.get("CommonPrefixes", ()))
            yield from (entry["Key"] for entry in page.get("Contents", ()))
    except ClientError as error:
        if code(error) != "NoSuchBucket":
            raise


def _secrets(aws: Aws, deployment: Deployment) -> list[Any]:
    where = [{"Key": "tag-key", "Values": [TAG_OWNER]}]
    pages = aws.client("secretsmanager").get_paginator("list_secrets").paginate(Filters=where)
    owned = {"Key": TAG_OWNER, "Value": deployment.name}
    return [
        secret
        for page in pages
        for secret in page["SecretList"]
        # A replica goes with its primary, which is in another region.
        if owned in secret["Tags"] and secret.get("PrimaryRegion", aws.region) == aws.region
    ]


def _log_groups(aws: Aws, deployment: Deployment) -> list[str]:
    prefix = f"/aws/elasticbeanstalk/{deployment.environment_name}/"
    pages = aws.client("logs").get_paginator("describe_log_groups").paginate(logGroupNamePrefix=prefix)
    return [group["logGroupName"] for page in pages for group in page["logGroups"]]
