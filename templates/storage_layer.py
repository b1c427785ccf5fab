"""The storage layer: the log bucket, and Beanstalk's own bucket, hardened."""

from collections.abc import Mapping
from typing import Any

from awacs.aws import Statement
from troposphere import Ref, Sub, Template, s3

from templates.deployment import Deployment
from templates.inline_function import add_inline_function
from templates.layer_outputs import LayerOutput
from templates.policies import arns, document
from templates.policies.bucket_policies import ANY_BUCKET_ACTION, deliver_access_logs, deliver_balancer_logs
from templates.policies.custom_resource_roles import harden_bucket
from templates.policies.resource_policies import deny_insecure_transport
from templates.rendering import new_template
from templates.resource_tags import tags
from templates.suppressions import suppress, suppress_in_packs

LAYER = "storage"

LOG_BUCKET = LayerOutput(LAYER, "LogBucket")
"""Name of the bucket of access logs; encrypted with S3's keys, as load balancers require."""

BALANCER_LOG_PREFIX = "load-balancer"
_BEANSTALK_LOG_PREFIX = "s3/beanstalk/"
_OLD_VERSION_DAYS = 90


def build(deployment: Deployment) -> Template:
    """Return the template of the log bucket and of Beanstalk's bucket, which it creates or finds."""
    template = new_template(deployment, LAYER, "log bucket, Beanstalk's bucket")
    log_bucket = _add_log_bucket(template, deployment)
    if deployment.storage.beanstalk_bucket == "create":
        bucket = _add_beanstalk_bucket(template, deployment, log_bucket)
        _harden_beanstalk_bucket(template, deployment, bucket.ref())
    else:
        _harden_beanstalk_bucket(template, deployment, Sub(arns.BEANSTALK_BUCKET))
    template.add_output(LOG_BUCKET.output(deployment, log_bucket.ref(), "The bucket of access logs"))
    return template


def _add_log_bucket(template: Template, deployment: Deployment) -> s3.Bucket:
    days = deployment.logs.retention_days
    bucket = template.add_resource(
        s3.Bucket(
            "LogBucket",
            **deployment.retention,
            # CloudFormation generates the name, so that a retained bucket does not block its successor.
            BucketEncryption=_encryption(s3.ServerSideEncryptionByDefault(SSEAlgorithm="AES256")),
            LifecycleConfiguration=_lifecycle(
                ExpirationInDays=days, old_versions=min(days, _OLD_VERSION_DAYS)
            ),
            **_protection(deployment, "logs"),
        )
    )
    objects = Sub("${LogBucket.Arn}/*")
    _add_policy(
        template,
        bucket,
        [
            deny_insecure_transport(ANY_BUCKET_ACTION, bucket.get_att("Arn"), objects),
            deliver_balancer_logs(
                Sub(f"${{LogBucket.Arn}}/{BALANCER_LOG_PREFIX}/AWSLogs/${{AWS::AccountId}}/*")
            ),
            deliver_access_logs(
                Sub(f"${{LogBucket.Arn}}/{_BEANSTALK_LOG_PREFIX}*"), arns.bucket(arns.BEANSTALK_BUCKET)
            ),
        ],
    )
    loop = "This bucket receives access logs; logging its own access to itself would be an endless loop."
    suppress(bucket, "CKV_AWS_18", loop)
    if deployment.storage.beanstalk_bucket == "existing":
        # cdk-nag exempts a bucket that another bucket of the template logs to; here there is none.
        suppress(bucket, "AwsSolutions-S1", loop)
        suppress_in_packs(bucket, "S3BucketLoggingEnabled", loop)
    sse_s3 = "Load balancers deliver logs only to buckets that are encrypted with S3's keys."
    suppress(bucket, "CKV_AWS_145", sse_s3)
    suppress_in_packs(bucket, "S3DefaultEncryptionKMS", sse_s3)
    suppress_in_packs(bucket, "S3BucketReplicationEnabled", "Logs are kept in their region on purpose.")
    return bucket


def _add_beanstalk_bucket(template: Template, deployment: Deployment, log_bucket: s3.Bucket) -> s3.Bucket:
    """Add the bucket as every environment of the account can use it, also later ones of others.

    AWS's policy for their instances (AWSElasticBeanstalkWebTier) allows no `kms:`. The key that AWS manages
    lets in whom S3 lets in; a key of ours would make new bundles of others unreadable.
    """
    bucket = template.add_resource(
        s3.Bucket(
            "BeanstalkBucket",
            DependsOn=["LogBucketPolicy"],  # S3 refuses a log target whose policy does not allow the delivery
            **deployment.retention,
            BucketName=Sub(arns.BEANSTALK_BUCKET),
            BucketEncryption=_encryption(s3.ServerSideEncryptionByDefault(SSEAlgorithm="aws:kms")),
            LoggingConfiguration=s3.LoggingConfiguration(
                DestinationBucketName=log_bucket.ref(), LogFilePrefix=_BEANSTALK_LOG_PREFIX
            ),
            LifecycleConfiguration=_lifecycle(old_versions=_OLD_VERSION_DAYS),
            # Beanstalk writes an environment's data with an ACL. Where ACLs are off S3 refuses that, and no
            # environment is launched: https://github.com/aws/aws-elastic-beanstalk-cli/issues/388
            **_protection(deployment, "beanstalk", ownership="BucketOwnerPreferred"),
        )
    )
    suppress_in_packs(
        bucket,
        "S3BucketReplicationEnabled",
        "It holds bundles and rotated logs; bundles can be rebuilt from the repository.",
    )
    merged = "BucketHardening adds the statement, because Beanstalk writes into the same policy."
    suppress(bucket, "AwsSolutions-S10", merged)
    suppress_in_packs(bucket, "S3BucketSSLRequestsOnly", merged)
    return bucket


def hardening(deployment: Deployment, bucket: Any, partition: Any) -> Mapping[str, Any]:
    """Return the properties of `templates.functions.harden_bucket`, as a template or an operator has them."""
    created = "retained" if deployment.production else "deleted"
    return {
        "Bucket": bucket,
        "Partition": partition,
        "Deployment": deployment.name,
        "Application": deployment.application_name,
        "KeepDays": str(_OLD_VERSION_DAYS),
        "BucketIs": created if deployment.storage.beanstalk_bucket == "create" else "shared",
    }


def _harden_beanstalk_bucket(template: Template, deployment: Deployment, bucket: Ref | Sub) -> None:
    """Add our statements to the bucket's policy by a function: CloudFormation would replace Beanstalk's."""
    add_inline_function(
        template,
        deployment,
        LAYER,
        title="BucketHardening",
        code="harden_bucket",
        description="protects the deployment's objects in Beanstalk's bucket",
        allow=[harden_bucket(arns.bucket(arns.BEANSTALK_BUCKET))],
        properties=dict(hardening(deployment, bucket, Ref("AWS::Partition"))),
    )


def _protection(
    deployment: Deployment, name: str, *, ownership: str = "BucketOwnerEnforced"
) -> dict[str, object]:
    """Return the protective properties that every bucket has."""
    return {
        "PublicAccessBlockConfiguration": s3.PublicAccessBlockConfiguration(
            BlockPublicAcls=True, BlockPublicPolicy=True, IgnorePublicAcls=True, RestrictPublicBuckets=True
        ),
        "OwnershipControls": s3.OwnershipControls(
            Rules=[s3.OwnershipControlsRule(ObjectOwnership=ownership)]
        ),
        "VersioningConfiguration": s3.VersioningConfiguration(Status="Enabled"),
        "Tags": tags(deployment, LAYER, name),
    }


def _encryption(default: s3.ServerSideEncryptionByDefault) -> s3.BucketEncryption:
    rule = s3.ServerSideEncryptionRule(ServerSideEncryptionByDefault=default)
    if default.SSEAlgorithm == "aws:kms":
        rule.BucketKeyEnabled = True
    return s3.BucketEncryption(ServerSideEncryptionConfiguration=[rule])


def _lifecycle(*, old_versions: int, **expiry: int) -> s3.LifecycleConfiguration:
    rule = s3.LifecycleRule(
        Id="old-versions",
        Status="Enabled",
        NoncurrentVersionExpiration=s3.NoncurrentVersionExpiration(NoncurrentDays=old_versions),
        AbortIncompleteMultipartUpload=s3.AbortIncompleteMultipartUpload(DaysAfterInitiation=7),
        **expiry,
    )
    return s3.LifecycleConfiguration(Rules=[rule])


def _add_policy(template: Template, bucket: s3.Bucket, statements: list[Statement]) -> None:
    template.add_resource(
        s3.BucketPolicy(f"{bucket.title}Policy", Bucket=bucket.ref(), PolicyDocument=document(statements))
    )
