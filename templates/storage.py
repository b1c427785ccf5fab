"""The storage layer: the log bucket, and Beanstalk's own bucket, hardened."""

from awacs.aws import Statement
from troposphere import GetAtt, Sub, Template, s3

from templates import keys
from templates.custom_resource import add_inline_function
from templates.deployment import Deployment
from templates.policies import Arn, document
from templates.policies.buckets import delivers_logs, harden_bucket, never_deleted, only_over_tls
from templates.shared import LayerOutput, new_template, suppress, suppress_in_packs, tags

LAYER = "storage"

LOG_BUCKET = LayerOutput(LAYER, "LogBucket")
"""Name of the bucket for access logs of load balancer and buckets; with keys of S3, as the former demands."""
_HARDENED_KEY_ARN = LayerOutput(LAYER, "BeanstalkKeyArn")

_BEANSTALK_LOG_PREFIX = "s3/beanstalk/"
_OLD_VERSION_DAYS = 90
_BEANSTALK_BUCKET = "elasticbeanstalk-${AWS::Region}-${AWS::AccountId}"


def build(deployment: Deployment) -> Template:
    """Return the template of the log bucket and of Beanstalk's bucket, created or hardened in place."""
    template = new_template(deployment, LAYER, "log bucket, Beanstalk's bucket")
    log_bucket = _add_log_bucket(template, deployment)
    if deployment.storage.beanstalk_bucket == "create":
        _add_beanstalk_bucket(template, deployment, log_bucket)
    else:
        _harden_beanstalk_bucket(template, deployment, log_bucket)
    template.add_output(LOG_BUCKET.output(deployment, log_bucket.ref(), "Bucket of access logs"))
    return template


def beanstalk_key(deployment: Deployment) -> LayerOutput:
    """Return the output with the ARN of the key that Beanstalk's bucket encrypts with."""
    return keys.DATA_KEY_ARN if deployment.storage.beanstalk_bucket == "create" else _HARDENED_KEY_ARN


def _add_log_bucket(template: Template, deployment: Deployment) -> s3.Bucket:
    days = deployment.logs.retention_days
    bucket = template.add_resource(
        s3.Bucket(
            "LogBucket",
            **deployment.retention,
            # The name is CloudFormation's, so that a retained bucket is not in the way of its successor.
            BucketEncryption=_encrypted(s3.ServerSideEncryptionByDefault(SSEAlgorithm="AES256")),
            LifecycleConfiguration=_lifecycle(
                ExpirationInDays=days, old_versions=min(days, _OLD_VERSION_DAYS)
            ),
            **_guarded(deployment, "logs"),
        )
    )
    balancers = Sub(
        "arn:${AWS::Partition}:elasticloadbalancing:${AWS::Region}:${AWS::AccountId}:loadbalancer/*"
    )
    beanstalk = Sub(f"arn:${{AWS::Partition}}:s3:::{_BEANSTALK_BUCKET}")
    objects = Sub("${LogBucket.Arn}/*")
    _add_policy(
        template,
        bucket,
        [
            only_over_tls(bucket.get_att("Arn"), objects),
            delivers_logs(
                "LogsOfLoadBalancers", "logdelivery.elasticloadbalancing.amazonaws.com", objects, [balancers]
            ),
            delivers_logs(
                "LogsOfBuckets",
                "logging.s3.amazonaws.com",
                Sub(f"${{LogBucket.Arn}}/{_BEANSTALK_LOG_PREFIX}*"),
                [beanstalk],
            ),
        ],
    )
    endless = "This is where access logs go; its own would log themselves without end."
    suppress(bucket, "CKV_AWS_18", endless)
    if deployment.storage.beanstalk_bucket == "existing":
        # Otherwise cdk-nag sees by Beanstalk's bucket what this one is for.
        suppress(bucket, "AwsSolutions-S1", endless)
        suppress_in_packs(bucket, "S3BucketLoggingEnabled", endless)
    keys_of_s3 = "Load balancers deliver logs only to buckets with keys of S3."
    suppress(bucket, "CKV_AWS_145", keys_of_s3)
    suppress_in_packs(bucket, "S3DefaultEncryptionKMS", keys_of_s3)
    suppress_in_packs(bucket, "S3BucketReplicationEnabled", "Logs are kept in their region on purpose.")
    return bucket


def _add_beanstalk_bucket(template: Template, deployment: Deployment, log_bucket: s3.Bucket) -> None:
    key = keys.DATA_KEY_ARN.imported(deployment)
    bucket = template.add_resource(
        s3.Bucket(
            "BeanstalkBucket",
            DependsOn=["LogBucketPolicy"],  # S3 refuses a target for logs that doesn't admit them
            **deployment.retention,
            BucketName=Sub(_BEANSTALK_BUCKET),
            BucketEncryption=_encrypted(
                s3.ServerSideEncryptionByDefault(SSEAlgorithm="aws:kms", KMSMasterKeyID=key)
            ),
            LoggingConfiguration=s3.LoggingConfiguration(
                DestinationBucketName=log_bucket.ref(), LogFilePrefix=_BEANSTALK_LOG_PREFIX
            ),
            LifecycleConfiguration=_lifecycle(old_versions=_OLD_VERSION_DAYS),
            **_guarded(deployment, "beanstalk"),
        )
    )
    suppress_in_packs(
        bucket,
        "S3BucketReplicationEnabled",
        "It holds bundles and rotated logs: bundles are built again from the repository.",
    )
    arn = bucket.get_att("Arn")
    _add_policy(template, bucket, _beanstalk_statements(arn, Sub(f"${{{bucket.title}.Arn}}/*")))


def _harden_beanstalk_bucket(template: Template, deployment: Deployment, log_bucket: s3.Bucket) -> None:
    hardened = add_inline_function(
        template,
        deployment,
        LAYER,
        title="HardenedBucket",
        code="harden_bucket",
        description="hardens Beanstalk's bucket in place",
        may=[harden_bucket(Sub(f"arn:${{AWS::Partition}}:s3:::{_BEANSTALK_BUCKET}"))],
        properties={
            "Bucket": Sub(_BEANSTALK_BUCKET),
            "KeyArn": keys.DATA_KEY_ARN.imported(deployment),
            "LogBucket": log_bucket.ref(),
            "LogPrefix": _BEANSTALK_LOG_PREFIX,
            "KeepDays": str(_OLD_VERSION_DAYS),
            "Statements": _beanstalk_statements(
                Sub(f"arn:${{AWS::Partition}}:s3:::{_BEANSTALK_BUCKET}"),
                Sub(f"arn:${{AWS::Partition}}:s3:::{_BEANSTALK_BUCKET}/*"),
            ),
        },
    )
    hardened.DependsOn = ["LogBucketPolicy"]
    key = GetAtt(hardened, "KeyArn")
    template.add_output(_HARDENED_KEY_ARN.output(deployment, key, "ARN of the key of Beanstalk's bucket"))


def _beanstalk_statements(bucket: Arn, objects: Arn) -> list[Statement]:
    return [only_over_tls(bucket, objects), never_deleted(bucket)]


def _guarded(deployment: Deployment, name: str) -> dict[str, object]:
    """Return the properties that every bucket has."""
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


def _encrypted(default: s3.ServerSideEncryptionByDefault) -> s3.BucketEncryption:
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
