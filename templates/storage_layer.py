"""The storage layer: the log bucket, and Beanstalk's own bucket, hardened."""

from awacs.aws import Statement
from troposphere import GetAtt, Sub, Template, s3

from templates import keys_layer
from templates.deployment import Deployment
from templates.inline_function import add_inline_function
from templates.layer_outputs import LayerOutput
from templates.policies import Arn, arns, document
from templates.policies.bucket_policies import ANY_BUCKET_ACTION, deliver_logs, deny_bucket_deletion
from templates.policies.custom_resource_roles import harden_bucket
from templates.policies.resource_policies import deny_insecure_transport
from templates.rendering import new_template
from templates.resource_tags import tags
from templates.suppressions import suppress, suppress_in_packs

LAYER = "storage"

LOG_BUCKET = LayerOutput(LAYER, "LogBucket")
"""Name of the bucket of access logs; encrypted with S3's keys, as load balancers require."""
_HARDENED_KEY_ARN = LayerOutput(LAYER, "BeanstalkBucketKeyArn")

_BEANSTALK_LOG_PREFIX = "s3/beanstalk/"
_OLD_VERSION_DAYS = 90


def build(deployment: Deployment) -> Template:
    """Return the template of the log bucket and of Beanstalk's bucket, created or hardened in place."""
    template = new_template(deployment, LAYER, "log bucket, Beanstalk's bucket")
    log_bucket = _add_log_bucket(template, deployment)
    if deployment.storage.beanstalk_bucket == "create":
        _add_beanstalk_bucket(template, deployment, log_bucket)
    else:
        _harden_beanstalk_bucket(template, deployment, log_bucket)
    template.add_output(LOG_BUCKET.output(deployment, log_bucket.ref(), "The bucket of access logs"))
    return template


def beanstalk_key(deployment: Deployment) -> LayerOutput:
    """Return the output with the ARN of the key that Beanstalk's bucket encrypts with."""
    return keys_layer.DATA_KEY_ARN if deployment.storage.beanstalk_bucket == "create" else _HARDENED_KEY_ARN


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
            deliver_logs(
                "AllowLoadBalancersToDeliverLogs",
                "logdelivery.elasticloadbalancing.amazonaws.com",
                objects,
                [arns.load_balancers()],
            ),
            deliver_logs(
                "AllowBucketsToDeliverLogs",
                "logging.s3.amazonaws.com",
                Sub(f"${{LogBucket.Arn}}/{_BEANSTALK_LOG_PREFIX}*"),
                [arns.bucket(arns.BEANSTALK_BUCKET)],
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


def _add_beanstalk_bucket(template: Template, deployment: Deployment, log_bucket: s3.Bucket) -> None:
    key = keys_layer.DATA_KEY_ARN.imported(deployment)
    bucket = template.add_resource(
        s3.Bucket(
            "BeanstalkBucket",
            DependsOn=["LogBucketPolicy"],  # S3 refuses a log target whose policy does not allow the delivery
            **deployment.retention,
            BucketName=Sub(arns.BEANSTALK_BUCKET),
            BucketEncryption=_encryption(
                s3.ServerSideEncryptionByDefault(SSEAlgorithm="aws:kms", KMSMasterKeyID=key)
            ),
            LoggingConfiguration=s3.LoggingConfiguration(
                DestinationBucketName=log_bucket.ref(), LogFilePrefix=_BEANSTALK_LOG_PREFIX
            ),
            LifecycleConfiguration=_lifecycle(old_versions=_OLD_VERSION_DAYS),
            **_protection(deployment, "beanstalk"),
        )
    )
    suppress_in_packs(
        bucket,
        "S3BucketReplicationEnabled",
        "It holds bundles and rotated logs; bundles can be rebuilt from the repository.",
    )
    arn = bucket.get_att("Arn")
    _add_policy(template, bucket, _beanstalk_statements(arn, Sub(f"${{{bucket.title}.Arn}}/*")))


def _harden_beanstalk_bucket(template: Template, deployment: Deployment, log_bucket: s3.Bucket) -> None:
    hardened = add_inline_function(
        template,
        deployment,
        LAYER,
        title="BucketHardening",
        code="harden_bucket",
        description="hardens Beanstalk's bucket in place",
        allow=[harden_bucket(arns.bucket(arns.BEANSTALK_BUCKET))],
        properties={
            "Bucket": Sub(arns.BEANSTALK_BUCKET),
            "KeyArn": keys_layer.DATA_KEY_ARN.imported(deployment),
            "LogBucket": log_bucket.ref(),
            "LogPrefix": _BEANSTALK_LOG_PREFIX,
            "KeepDays": str(_OLD_VERSION_DAYS),
            "Statements": _beanstalk_statements(
                arns.bucket(arns.BEANSTALK_BUCKET), arns.objects(arns.BEANSTALK_BUCKET)
            ),
        },
    )
    hardened.DependsOn += ["LogBucketPolicy"]
    key = GetAtt(hardened, "KeyArn")
    template.add_output(_HARDENED_KEY_ARN.output(deployment, key, "ARN of the KMS key of Beanstalk's bucket"))


def _beanstalk_statements(bucket: Arn, objects: Arn) -> list[Statement]:
    return [deny_insecure_transport(ANY_BUCKET_ACTION, bucket, objects), deny_bucket_deletion(bucket)]


def _protection(deployment: Deployment, name: str) -> dict[str, object]:
    """Return the protective properties that every bucket has."""
    return {
        "PublicAccessBlockConfiguration": s3.PublicAccessBlockConfiguration(
            BlockPublicAcls=True, BlockPublicPolicy=True, IgnorePublicAcls=True, RestrictPublicBuckets=True
        ),
        "OwnershipControls": s3.OwnershipControls(
            Rules=[s3.OwnershipControlsRule(ObjectOwnership="BucketOwnerEnforced")]
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
