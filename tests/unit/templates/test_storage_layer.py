"""`templates.storage_layer`, as rendered: the buckets."""

import pytest

from templates import keys_layer, storage_layer
from tests.unit.templates.renders import (
    CONFIGURATIONS,
    Rendered,
    deployment,
    layers,
    resolve,
    resource,
    resources,
)

CREATING = [name for name in CONFIGURATIONS if deployment(name).storage.beanstalk_bucket == "create"]


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_every_bucket_is_private_versioned_and_tidied(configuration: str) -> None:
    """S3.1, S3.8, S3.12, S3.13 and S3.14."""
    found = list(resources(configuration, "AWS::S3::Bucket"))
    assert found
    for _, name, bucket in found:
        assert list(bucket["PublicAccessBlockConfiguration"].values()) == [True] * 4, name
        assert bucket["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
        assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
        (rule,) = bucket["LifecycleConfiguration"]["Rules"]
        assert rule["NoncurrentVersionExpiration"]["NoncurrentDays"] <= 90


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_every_bucket_refuses_plain_text(configuration: str) -> None:
    """S3.5: for the bucket and its objects, for every principal."""
    buckets = {name for _, name, _ in resources(configuration, "AWS::S3::Bucket")}
    policies = {
        policy["Bucket"]["Ref"]: policy["PolicyDocument"]["Statement"]
        for _, _, policy in resources(configuration, "AWS::S3::BucketPolicy")
    }
    assert set(policies) == buckets
    for statements in policies.values():
        (denied,) = [s for s in statements if s["Sid"] == "DenyInsecureTransport"]
        assert (denied["Effect"], denied["Action"], denied["Principal"]) == ("Deny", ["s3:*"], "*")
        assert len(denied["Resource"]) == 2
        assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_logs_are_delivered_by_services_for_this_account_only(configuration: str) -> None:
    """S3.6; the load balancer demands keys of S3 for its logs."""
    statements = resource(configuration, "storage", "LogBucketPolicy")["PolicyDocument"]["Statement"]
    allowed = [s for s in statements if s["Effect"] == "Allow"]
    assert [s["Principal"]["Service"].split(".")[0] for s in allowed] == ["logdelivery", "logging"]
    for statement in allowed:
        assert statement["Condition"]["StringEquals"] == {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
        assert statement["Condition"]["ArnLike"]["aws:SourceArn"]
    encryption = resource(configuration, "storage", "LogBucket")["BucketEncryption"]
    (rule,) = encryption["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}


@pytest.mark.parametrize("configuration", CREATING)
def test_beanstalks_bucket_is_encrypted_with_the_data_key_and_logged(configuration: str) -> None:
    """S3.9 and S3.17; a created bucket uses the data key."""
    bucket = resource(configuration, "storage", "BeanstalkBucket")
    (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["BucketKeyEnabled"]
    assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"
    assert bucket["LoggingConfiguration"]["DestinationBucketName"] == {"Ref": "LogBucket"}
    assert storage_layer.beanstalk_key(deployment(configuration)) == keys_layer.DATA_KEY_ARN


def test_an_existing_bucket_is_not_created_but_hardened() -> None:
    """With the statements of a created one, by a function that is allowed nothing else."""
    template = layers("otherwise")["storage"]["Resources"]
    assert [name for name, body in template.items() if body["Type"] == "AWS::S3::Bucket"] == ["LogBucket"]
    created = resource("dev", "storage", "BeanstalkBucketPolicy")["PolicyDocument"]["Statement"]
    hardened = template["BucketHardening"]["Properties"]["Statements"]
    assert [_but_resource(statement) for statement in hardened] == [_but_resource(s) for s in created]
    statements = resource("otherwise", "storage", "BucketHardeningRoleAllow")["PolicyDocument"]["Statement"]
    (own,) = [s for s in statements if s["Sid"] == "HardenBucket"]
    assert resolve(own["Resource"], "otherwise", "storage") == [
        "arn:aws:s3:::elasticbeanstalk-eu-central-1-123456789012"
    ]
    assert not any("Object" in action or "Delete" in action or "*" in action for action in own["Action"])
    assert storage_layer.beanstalk_key(deployment("otherwise")) != keys_layer.DATA_KEY_ARN


def _but_resource(statement: Rendered) -> Rendered:
    return {key: value for key, value in statement.items() if key != "Resource"}
