"""A deployment's resources outside its stacks: objects in Beanstalk's bucket, secrets, a certificate, …

Beanstalk has one bucket for an account and region, which several deployments and other environments share.
CloudFormation would delete it with the deployment that created it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from replicator.contract.tags import TAG_OWNER, read_tags
from templates.deployment import Deployment
from templates.vault_layer import ca_parameter

from ..artifacts.store import ARTIFACTS, artifact_folder, beanstalk_bucket
from ..aws import Aws, AwsError, code
from ..deployment import certificates
from ..polling import PollingClock, attempts

if TYPE_CHECKING:
    from mypy_boto3_route53.type_defs import ChangeTypeDef
    from mypy_boto3_s3.type_defs import ObjectIdentifierTypeDef

RECOVERY_DAYS = 7
"""Days in which a deleted secret can be restored; the shortest that Secrets Manager allows."""


IN_USE_SECONDS = 60
"""How long the deletion of something that is still in use is tried again."""


class OutsideKind(Enum):
    CERTIFICATE = "certificate"
    LOG_GROUP = "log group"
    OBJECTS = "objects"
    PARAMETER = "parameter"
    SECRET = "secret"


IN_USE_CODES: Mapping[OutsideKind, frozenset[str]] = MappingProxyType(
    {
        # https://github.com/rebuy-de/aws-nuke/issues/1127; a removal is refused while another is under way
        OutsideKind.SECRET: frozenset({"InvalidParameterException", "InvalidRequestException"}),
        # https://docs.aws.amazon.com/acm/latest/APIReference/API_DeleteCertificate.html
        OutsideKind.CERTIFICATE: frozenset({"ResourceInUseException"}),
    }
)


@dataclass(frozen=True, slots=True)
class OutsideResource:
    """A resource that belongs to no stack."""

    kind: OutsideKind
    name: str
    """As the service's delete call takes it; of objects the prefix of their keys in Beanstalk's bucket."""
    retained: bool
    label: str = ""
    """How it is printed, where that isn't its name."""

    def __str__(self) -> str:
        return f"{self.kind.value} {self.label or self.name}"


def other_owners(aws: Aws, deployment: Deployment) -> tuple[str, ...]:
    """Return who else uses Beanstalk's bucket: prefixes and keys in it, and environments of the region.

    `resources/` is what Beanstalk itself stores for environments, `.elasticbeanstalk` its marker. An
    environment can have nothing else in the bucket, such as one that runs Beanstalk's sample application.
    """
    own = {*_prefixes(deployment), ARTIFACTS, "resources/", ".elasticbeanstalk"}
    found = [*_top_level(aws, ""), *_top_level(aws, ARTIFACTS)]
    return (*(name for name in found if name not in own), *_other_environments(aws, deployment))


def _other_environments(aws: Aws, deployment: Deployment) -> Iterator[str]:
    pages = aws.client("elasticbeanstalk").get_paginator("describe_environments")
    for page in pages.paginate(IncludeDeleted=False):
        for environment in page["Environments"]:
            if environment.get("ApplicationName") != deployment.application_name:
                yield f"the environment {environment.get('EnvironmentName', '')}"


def find(aws: Aws, deployment: Deployment) -> tuple[OutsideResource, ...]:
    """Return everything outside the stacks. Production keeps its secrets and log groups, a trial nothing."""
    retained, bucket = deployment.production, beanstalk_bucket(aws)
    certificate = certificates.find(aws, deployment.name)
    return (
        *(OutsideResource(OutsideKind.SECRET, name, retained) for name in _secrets(aws, deployment)),
        *(OutsideResource(OutsideKind.LOG_GROUP, name, retained) for name in _log_groups(aws, deployment)),
        *(
            OutsideResource(OutsideKind.OBJECTS, prefix, retained=False, label=f"s3://{bucket}/{prefix}")
            for prefix in _prefixes(deployment)
            if any(_versions(aws, bucket, prefix))
        ),
        *(
            OutsideResource(OutsideKind.PARAMETER, name, retained=False)
            for name in _parameters(aws, deployment)
        ),
        *([OutsideResource(OutsideKind.CERTIFICATE, certificate, retained=False)] if certificate else []),
    )


def delete(aws: Aws, resource: OutsideResource, clock: PollingClock | None = None) -> bool:
    """Delete *resource*, and return whether that was possible yet. A secret can be restored for a week.

    AWS refuses for a while what something that was just deleted still uses: a secret whose replica regions
    are being removed, the certificate of a load balancer.
    """
    for _ in attempts(clock or PollingClock(), IN_USE_SECONDS, first=1):
        try:
            _delete(aws, resource)
        except ClientError as error:
            if code(error) not in IN_USE_CODES.get(resource.kind, ()):
                raise
        else:
            return True
    return False


def _delete(aws: Aws, resource: OutsideResource) -> None:
    match resource.kind:
        case OutsideKind.SECRET:
            secrets = aws.client("secretsmanager")
            described = secrets.describe_secret(SecretId=resource.name)
            regions = [replica["Region"] for replica in described.get("ReplicationStatus", ())]
            if regions:  # a secret with replicas can't be deleted
                secrets.remove_regions_from_replication(SecretId=resource.name, RemoveReplicaRegions=regions)
            secrets.delete_secret(SecretId=resource.name, RecoveryWindowInDays=RECOVERY_DAYS)
        case OutsideKind.LOG_GROUP:
            aws.client("logs").delete_log_group(logGroupName=resource.name)
        case OutsideKind.OBJECTS:
            empty(aws, beanstalk_bucket(aws), resource.name)
        case OutsideKind.PARAMETER:
            aws.client("ssm").delete_parameter(Name=resource.name)
        case OutsideKind.CERTIFICATE:
            aws.client("acm").delete_certificate(CertificateArn=resource.name)


def empty(aws: Aws, bucket: str, prefix: str = "") -> None:
    """Delete all versions of all objects of *bucket* whose keys begin with *prefix*.

    Raises:
        AwsError: S3 kept some of them
    """
    for batch in _versions(aws, bucket, prefix):
        result = aws.client("s3").delete_objects(Bucket=bucket, Delete={"Objects": batch, "Quiet": True})
        # S3 answers 200 even when it refuses every object.
        if errors := result.get("Errors"):
            first = errors[0]
            raise AwsError(
                f"S3 kept {len(errors)} objects of s3://{bucket}/{prefix}; the first is {first['Key']}: "
                f"{first['Code']}, {first.get('Message', '')}",
                "delete them in S3, or ask for s3:DeleteObjectVersion; then run the command again",
            )


def delete_records(aws: Aws, zone_id: str) -> None:
    """Delete the records that instances wrote to a hosted zone, such as the Vault host its address.

    Route 53 deletes a zone only once it has no records but its own.
    """
    client = aws.client("route53")
    pages = client.get_paginator("list_resource_record_sets").paginate(HostedZoneId=zone_id)
    try:
        changes: list[ChangeTypeDef] = [
            {"Action": "DELETE", "ResourceRecordSet": record}
            for page in pages
            for record in page["ResourceRecordSets"]
            if record["Type"] not in ("NS", "SOA")
        ]
    except client.exceptions.NoSuchHostedZone:
        return
    if changes:
        client.change_resource_record_sets(HostedZoneId=zone_id, ChangeBatch={"Changes": changes})


def _versions(aws: Aws, bucket: str, prefix: str) -> Iterator[list[ObjectIdentifierTypeDef]]:
    """Yield the object versions to delete, in batches that one request takes."""
    pages = aws.client("s3").get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix)
    try:
        for page in pages:
            entries = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
            if entries:
                yield [{"Key": entry["Key"], "VersionId": entry["VersionId"]} for entry in entries]
    except ClientError as error:
        if code(error) != "NoSuchBucket":
            raise


def _prefixes(deployment: Deployment) -> tuple[str, str]:
    return f"{artifact_folder(deployment.name)}/", f"{deployment.application_name}/"


def _top_level(aws: Aws, prefix: str) -> Iterator[str]:
    """Yield the folders and keys directly below *prefix*."""
    pages = aws.client("s3").get_paginator("list_objects_v2")
    try:
        for page in pages.paginate(Bucket=beanstalk_bucket(aws), Prefix=prefix, Delimiter="/"):
            yield from (folder["Prefix"] for folder in page.get("CommonPrefixes", ()))
            yield from (entry["Key"] for entry in page.get("Contents", ()))
    except ClientError as error:
        if code(error) != "NoSuchBucket":
            raise


def _secrets(aws: Aws, deployment: Deployment) -> list[str]:
    """Return the names of the replicated secrets. Replicas are deleted with their primary."""
    pages = (
        aws.client("secretsmanager")
        .get_paginator("list_secrets")
        .paginate(Filters=[{"Key": "tag-key", "Values": [TAG_OWNER]}])
    )
    return [
        secret["Name"]
        for page in pages
        for secret in page["SecretList"]
        if read_tags(secret["Tags"]).owner == deployment.name
        and secret.get("PrimaryRegion", aws.region) == aws.region
    ]


def _parameters(aws: Aws, deployment: Deployment) -> list[str]:
    """Return the parameter with the certificate that the sample Vault host publishes, if it exists."""
    found = aws.client("ssm").get_parameters(Names=[ca_parameter(deployment)])["Parameters"]
    return [parameter["Name"] for parameter in found]


def _log_groups(aws: Aws, deployment: Deployment) -> list[str]:
    prefix = f"/aws/elasticbeanstalk/{deployment.environment_name}/"
    pages = aws.client("logs").get_paginator("describe_log_groups").paginate(logGroupNamePrefix=prefix)
    return [group["logGroupName"] for page in pages for group in page["logGroups"]]
