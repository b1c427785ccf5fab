"""Hardens Beanstalk's bucket in place, where an environment or another deployment has made it already.

Runs inline in Lambda as a custom resource; properties: `Bucket`, `KeyArn`, `LogBucket`, `LogPrefix`,
`KeepDays`, `Statements` (of the bucket policy). Running it again changes nothing. A key of the account that
the bucket encrypts with already stays, because another deployment's instances may decrypt with no other; the
answer's `KeyArn` says which it is. Deletion leaves the bucket hardened.
"""

import json
import urllib.request
from typing import Any

import boto3
from botocore.exceptions import ClientError


def key_of(s3: Any, bucket: str, wanted: str) -> str:
    """Return the key the bucket shall encrypt with: its own, if it is somebody's, else the wanted one."""
    try:
        rules = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ServerSideEncryptionConfigurationNotFoundError":
            raise
        return wanted
    held = rules[0]["ApplyServerSideEncryptionByDefault"].get("KMSMasterKeyID", "")
    return held if ":key/" in held else wanted


def policy_of(s3: Any, bucket: str, statements: list[dict[str, Any]]) -> str:
    """Return the bucket's policy with ours in it; other statements stay."""
    try:
        policy = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchBucketPolicy":
            raise
        policy = {"Version": "2012-10-17", "Statement": []}
    ours = {statement["Sid"] for statement in statements}
    kept = [statement for statement in policy["Statement"] if statement.get("Sid") not in ours]
    return json.dumps({**policy, "Statement": kept + statements})


def harden(s3: Any, wanted: dict[str, Any]) -> dict[str, str]:
    """Set all that guards the bucket; nobody is let in who wasn't before."""
    bucket, days = wanted["Bucket"], int(wanted["KeepDays"])
    key = key_of(s3, bucket, wanted["KeyArn"])
    encryption = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    blocks = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=dict.fromkeys(blocks, True))
    s3.put_bucket_ownership_controls(
        Bucket=bucket, OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    )
    s3.put_bucket_encryption(
        Bucket=bucket,
        ServerSideEncryptionConfiguration={
            "Rules": [{"ApplyServerSideEncryptionByDefault": encryption, "BucketKeyEnabled": True}]
        },
    )
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_lifecycle_configuration(
        Bucket=bucket,
        LifecycleConfiguration={
            "Rules": [
                {
                    "ID": "old-versions",
                    "Status": "Enabled",
                    "Filter": {"Prefix": ""},
                    "NoncurrentVersionExpiration": {"NoncurrentDays": days},
                    "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
                }
            ]
        },
    )
    s3.put_bucket_logging(
        Bucket=bucket,
        BucketLoggingStatus={
            "LoggingEnabled": {"TargetBucket": wanted["LogBucket"], "TargetPrefix": wanted["LogPrefix"]}
        },
    )
    s3.put_bucket_policy(Bucket=bucket, Policy=policy_of(s3, bucket, wanted["Statements"]))
    return {"KeyArn": key}


def answer(event: dict[str, Any], status: str, reason: str, data: dict[str, str]) -> None:
    """Tell CloudFormation how it went."""
    body = {name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")}
    bucket = event["ResourceProperties"]["Bucket"]
    body.update(Status=status, Reason=reason, PhysicalResourceId=f"{bucket}-hardened", Data=data)
    # The address is signed for no type, as AWS's own cfn-response sends it; urllib would name a form's:
    # https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cfn-lambda-function-code-cfnresponsemodule.html
    request = urllib.request.Request(  # noqa: S310 - CloudFormation's own address
        event["ResponseURL"], json.dumps(body).encode(), {"Content-Type": ""}, method="PUT"
    )
    urllib.request.urlopen(request, timeout=20).close()  # noqa: S310 - the same


def handler(event: dict[str, Any], _context: object) -> None:
    """Answer CloudFormation, whatever happens: without an answer it waits for its time-out."""
    try:
        data: dict[str, str] = {}
        if event["RequestType"] != "Delete":
            data = harden(boto3.client("s3"), event["ResourceProperties"])
    except Exception as error:
        answer(event, "FAILED", f"the bucket was not hardened: {type(error).__name__}: {error}", {})
        raise
    answer(event, "SUCCESS", "hardened", data)
