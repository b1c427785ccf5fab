"""`templates.storage_layer`, as rendered: the buckets."""

from typing import Any

import pytest

from templates import storage_layer
from templates.functions import harden_bucket
from tests.unit.templates.renders import (
    CONFIGURATIONS,
    Rendered,
    deployment,
    layers,
    resolve,
    resource,
    resources,
)

BUCKET = "elasticbeanstalk-eu-central-1-123456789012"
CREATING = [name for name in CONFIGURATIONS if deployment(name).storage.beanstalk_bucket == "create"]


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_every_bucket_is_private_versioned_and_tidied(configuration: str) -> None:
    """S3.1, S3.8, S3.12, S3.13 and S3.14."""
    found = list(resources(configuration, "AWS::S3::Bucket"))
    assert found
    for _, name, bucket in found:
        assert list(bucket["PublicAccessBlockConfiguration"].values()) == [True] * 4, name
        # Beanstalk writes with ACLs into its own.
        owner = "BucketOwnerPreferred" if name == "BeanstalkBucket" else "BucketOwnerEnforced"
        assert bucket["OwnershipControls"]["Rules"] == [{"ObjectOwnership": owner}]
        assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
        (rule,) = bucket["LifecycleConfiguration"]["Rules"]
        assert rule["NoncurrentVersionExpiration"]["NoncurrentDays"] <= 90


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_every_bucket_refuses_plain_text(configuration: str) -> None:
    """S3.5: for the bucket and its objects, for every principal; of a shared bucket, for our objects."""
    (policy,) = [policy for _, _, policy in resources(configuration, "AWS::S3::BucketPolicy")]
    assert policy["Bucket"] == {"Ref": "LogBucket"}
    (log_bucket,) = [s for s in policy["PolicyDocument"]["Statement"] if s["Effect"] == "Deny"]
    ours, *_ = harden_bucket.statements(_hardening(configuration))
    for denied in (log_bucket, ours):
        assert denied["Effect"] == "Deny"
        assert denied["Principal"] == "*"
        assert denied["Action"] in ("s3:*", ["s3:*"])
        assert len(denied["Resource"]) == 2
        assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def _hardening(configuration: str) -> dict[str, Any]:
    properties = layers(configuration)["storage"]["Resources"]["BucketHardening"]["Properties"]
    resolved: Rendered = resolve(properties, configuration, "storage")
    return {**resolved, "Bucket": BUCKET}


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_an_own_buckets_policy_is_merged_and_kept_or_deleted_with_it(configuration: str) -> None:
    """CloudFormation would replace what Beanstalk writes into the same policy."""
    creates, production = configuration in CREATING, deployment(configuration).production
    expected = ("retained" if production else "deleted") if creates else "shared"
    properties = _hardening(configuration)
    assert properties["BucketIs"] == expected
    sids = [statement["Sid"].partition("-")[0] for statement in harden_bucket.statements(properties)]
    assert sids == (["DenyInsecureTransport", "DenyBucketDeletion"] if creates else ["DenyInsecureTransport"])


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_logs_are_delivered_by_services_for_this_account_only(configuration: str) -> None:
    """S3.6; the load balancer sends no condition keys, and demands keys of S3 for its logs."""
    statements = resource(configuration, "storage", "LogBucketPolicy")["PolicyDocument"]["Statement"]
    balancers, buckets = [s for s in statements if s["Effect"] == "Allow"]
    assert balancers["Principal"] == {"Service": "logdelivery.elasticloadbalancing.amazonaws.com"}
    assert "Condition" not in balancers
    below = f"/{storage_layer.BALANCER_LOG_PREFIX}/AWSLogs/${{AWS::AccountId}}/*"
    assert balancers["Resource"] == {"Fn::Sub": f"${{LogBucket.Arn}}{below}"}
    assert buckets["Principal"] == {"Service": "logging.s3.amazonaws.com"}
    assert buckets["Condition"]["StringEquals"] == {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
    assert buckets["Condition"]["ArnLike"]["aws:SourceArn"]
    encryption = resource(configuration, "storage", "LogBucket")["BucketEncryption"]
    (rule,) = encryption["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}


@pytest.mark.parametrize("configuration", CREATING)
def test_beanstalks_bucket_is_encrypted_with_the_key_that_aws_manages_and_logged(configuration: str) -> None:
    """S3.9 and S3.17; other environments' roles have no `kms:`, and can use no key of ours."""
    bucket = resource(configuration, "storage", "BeanstalkBucket")
    (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["BucketKeyEnabled"]
    assert rule["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "aws:kms"}
    assert bucket["LoggingConfiguration"]["DestinationBucketName"] == {"Ref": "LogBucket"}


def test_an_existing_bucket_is_not_created_but_added_to() -> None:
    """By a function that can change its policy and lifecycle rules, and no other setting."""
    template = layers("otherwise")["storage"]["Resources"]
    assert [name for name, body in template.items() if body["Type"] == "AWS::S3::Bucket"] == ["LogBucket"]
    statements = resource("otherwise", "storage", "BucketHardeningRoleAllow")["PolicyDocument"]["Statement"]
    (own,) = [s for s in statements if s["Sid"] == "HardenBucket"]
    assert resolve(own["Resource"], "otherwise", "storage") == [f"arn:aws:s3:::{BUCKET}"]
    assert {action.removeprefix("s3:").removeprefix("Get") for action in own["Action"]} == {
        *("BucketPolicy", "DeleteBucketPolicy", "PutBucketPolicy"),
        *("LifecycleConfiguration", "PutLifecycleConfiguration"),
    }
