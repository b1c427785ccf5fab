"""What a deployment has outside its stacks: objects in Beanstalk's bucket, secrets, logs, a certificate.

Beanstalk's bucket is the account's, one for each region: several deployments and other environments share it,
and CloudFormation would delete it with the deployment that made it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from replicator.contract.tags import TAG_OWNER, read_tags
from templates.deployment import Deployment
from templates.vault import authority_parameter

from ..aws import Aws, AwsError, code
from ..deployment import certificates

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient

RECOVERY_DAYS = 7
"""Days in which a deleted secret can be restored; the least Secrets Manager takes."""


class OutsideKind(Enum):
    CERTIFICATE = "certificate"
    LOG_GROUP = "log group"
    OBJECTS = "objects"
    PARAMETER = "parameter"
    SECRET = "secret"


@dataclass(frozen=True, slots=True)
class OutsideResource:
    """One thing that no stack holds."""

    kind: OutsideKind
    name: str
    stays: bool

    def __str__(self) -> str:
        return f"{self.kind.value} {self.name}"


def beanstalk_bucket(aws: Aws) -> str:
    return f"elasticbeanstalk-{aws.region}-{aws.account()}"


def other_owners(aws: Aws, deployment: Deployment) -> tuple[str, ...]:
    """Return whose objects besides the deployment's lie in Beanstalk's bucket, as prefixes or keys.

    `resources/` holds what Beanstalk itself keeps for environments, `.elasticbeanstalk` is its mark.
    """
    ours = {*_folders(deployment), "beanvault/", "resources/", ".elasticbeanstalk"}
    found = [*_level(aws, ""), *_level(aws, "beanvault/")]
    return tuple(name for name in found if name not in ours)


def find(aws: Aws, deployment: Deployment) -> tuple[OutsideResource, ...]:
    """Return all of it. A production's secrets and logs stay when it goes; a trial takes everything along."""
    keep, bucket = deployment.production, beanstalk_bucket(aws)
    certificate = certificates.find(aws, deployment.name)
    return (
        *(OutsideResource(OutsideKind.SECRET, secret["Name"], keep) for secret in _secrets(aws, deployment)),
        *(OutsideResource(OutsideKind.LOG_GROUP, name, keep) for name in _log_groups(aws, deployment)),
        *(
            OutsideResource(OutsideKind.OBJECTS, f"s3://{bucket}/{folder}", stays=False)
            for folder in _folders(deployment)
            if any(_versions(aws, bucket, folder))
        ),
        *(OutsideResource(OutsideKind.PARAMETER, name, stays=False) for name in _parameters(aws, deployment)),
        *([OutsideResource(OutsideKind.CERTIFICATE, certificate, stays=False)] if certificate else []),
    )


def remove(aws: Aws, trace: OutsideResource) -> None:
    """Delete what *trace* says. A secret can be restored for a week."""
    match trace.kind:
        case OutsideKind.SECRET:
            secrets: SecretsManagerClient = aws.client("secretsmanager")
            described = secrets.describe_secret(SecretId=trace.name)
            regions = [replica["Region"] for replica in described.get("ReplicationStatus", ())]
            if regions:  # a secret with replicas can't be deleted
                secrets.remove_regions_from_replication(SecretId=trace.name, RemoveReplicaRegions=regions)
            secrets.delete_secret(SecretId=trace.name, RecoveryWindowInDays=RECOVERY_DAYS)
        case OutsideKind.LOG_GROUP:
            aws.client("logs").delete_log_group(logGroupName=trace.name)
        case OutsideKind.OBJECTS:
            bucket, _, folder = trace.name.removeprefix("s3://").partition("/")
            empty(aws, bucket, folder)
        case OutsideKind.PARAMETER:
            aws.client("ssm").delete_parameter(Name=trace.name)
        case OutsideKind.CERTIFICATE:
            aws.client("acm").delete_certificate(CertificateArn=trace.name)


def empty(aws: Aws, bucket: str, prefix: str = "") -> None:
    """Delete all versions of all objects of *bucket* whose keys begin with *prefix*.

    Raises:
        AwsError: S3 kept some of them
    """
    for doomed in _versions(aws, bucket, prefix):
        answer = aws.client("s3").delete_objects(Bucket=bucket, Delete={"Objects": doomed, "Quiet": True})
        # S3 answers 200 also when it refuses each object.
        if errors := answer.get("Errors"):
            first = errors[0]
            raise AwsError(
                f"S3 kept {len(errors)} objects of s3://{bucket}/{prefix}; the first is {first['Key']}: "
                f"{first['Code']}, {first.get('Message', '')}",
                "delete them by hand, or ask for s3:DeleteObjectVersion; then run the same command again",
            )


def forget_records(aws: Aws, zone_id: str) -> None:
    """Delete what an instance wrote into a hosted zone, as the Vault host its address.

    Route 53 deletes no zone that has other records than its own.
    """
    client = aws.client("route53")
    pages = client.get_paginator("list_resource_record_sets").paginate(HostedZoneId=zone_id)
    try:
        written = [r for page in pages for r in page["ResourceRecordSets"] if r["Type"] not in ("NS", "SOA")]
    except client.exceptions.NoSuchHostedZone:
        return
    if written:
        changes: Any = [{"Action": "DELETE", "ResourceRecordSet": record} for record in written]
        client.change_resource_record_sets(HostedZoneId=zone_id, ChangeBatch={"Changes": changes})


def _versions(aws: Aws, bucket: str, prefix: str) -> Iterator[list[dict[str, str]]]:
    """Yield what is to be deleted, as many at a time as one request takes."""
    client: S3Client = aws.client("s3")
    try:
        for page in client.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix):
            entries = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
            if entries:
                yield [{"Key": entry["Key"], "VersionId": entry["VersionId"]} for entry in entries]
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
    return [
        secret
        for page in pages
        for secret in page["SecretList"]
        # A replica goes with its primary, which is in another region.
        if read_tags(secret["Tags"]).owner == deployment.name
        and secret.get("PrimaryRegion", aws.region) == aws.region
    ]


def _parameters(aws: Aws, deployment: Deployment) -> list[str]:
    """The certificate that the sample Vault host publishes."""
    found = aws.client("ssm").get_parameters(Names=[authority_parameter(deployment)])["Parameters"]
    return [parameter["Name"] for parameter in found]


def _log_groups(aws: Aws, deployment: Deployment) -> list[str]:
    prefix = f"/aws/elasticbeanstalk/{deployment.environment_name}/"
    pages = aws.client("logs").get_paginator("describe_log_groups").paginate(logGroupNamePrefix=prefix)
    return [group["logGroupName"] for page in pages for group in page["logGroups"]]
