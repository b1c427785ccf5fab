"""Hardens Beanstalk's bucket in place, where an environment or another deployment has created it before.

Runs inline in Lambda as a custom resource; properties: `Bucket`, `KeyArn`, `LogBucket`, `LogPrefix`,
`KeepDays`, `Statements` (of the bucket policy). Running it again changes nothing. If the bucket already
encrypts with a key of the account, it keeps that key, because another deployment's instances may be able to
decrypt with no other; the response's `KeyArn` is the key in use. Deletion leaves the bucket hardened.
"""

import json
import time
import urllib.request
from typing import Any

import boto3
from botocore.exceptions import ClientError


def choose_key(s3: Any, bucket: str, default: str) -> str:
    """Return the key that the bucket encrypts with already, if it is one of the account, else *default*."""
    try:
        rules = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ServerSideEncryptionConfigurationNotFoundError":
            raise
        return default
    current = rules[0]["ApplyServerSideEncryptionByDefault"].get("KMSMasterKeyID", "")
    return current if ":key/" in current else default


def merge_policy(s3: Any, bucket: str, statements: list[dict[str, Any]]) -> str:
    """Return the bucket's policy with *statements*; those with another Sid are kept."""
    try:
        policy = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchBucketPolicy":
            raise
        policy = {"Version": "2012-10-17", "Statement": []}
    sids = {statement["Sid"] for statement in statements}
    kept = [statement for statement in policy["Statement"] if statement.get("Sid") not in sids]
    return json.dumps({**policy, "Statement": kept + statements})


def harden(s3: Any, properties: dict[str, Any]) -> dict[str, str]:
    """Apply every protective setting; no principal gets more access than before."""
    bucket, days = properties["Bucket"], int(properties["KeepDays"])
    key = choose_key(s3, bucket, properties["KeyArn"])
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
            "LoggingEnabled": {
                "TargetBucket": properties["LogBucket"],
                "TargetPrefix": properties["LogPrefix"],
            }
        },
    )
    s3.put_bucket_policy(Bucket=bucket, Policy=merge_policy(s3, bucket, properties["Statements"]))
    return {"KeyArn": key}


def respond(event: dict[str, Any], status: str, reason: str, data: dict[str, str]) -> None:
    """Send the result to CloudFormation."""
    body = {name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")}
    bucket = event["ResourceProperties"]["Bucket"]
    body.update(Status=status, Reason=reason, PhysicalResourceId=f"{bucket}-hardened", Data=data)
    # The URL is signed without a content type, as AWS's cfn-response sends it; urllib would add one:
    # https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cfn-lambda-function-code-cfnresponsemodule.html
    request = urllib.request.Request(  # noqa: S310 - CloudFormation's own URL
        event["ResponseURL"], json.dumps(body).encode(), {"Content-Type": ""}, method="PUT"
    )
    for pause in (1, 2, 4, None):  # nobody runs this function again if the answer is lost
        try:
            urllib.request.urlopen(request, timeout=10).close()  # noqa: S310 - the same
        except OSError:
            if pause is None:
                raise
            time.sleep(pause)
        else:
            return


def handler(event: dict[str, Any], _context: object) -> None:
    """Respond to CloudFormation whatever happens: without a response it waits for its time-out."""
    try:
        data: dict[str, str] = {}
        if event["RequestType"] != "Delete":
            data = harden(boto3.client("s3"), event["ResourceProperties"])
    except Exception as error:
        respond(event, "FAILED", f"the bucket was not hardened: {type(error).__name__}: {error}", {})
        raise
    respond(event, "SUCCESS", "hardened", data)
