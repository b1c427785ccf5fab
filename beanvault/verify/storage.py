"""Controls of buckets, keys and logs."""

from __future__ import annotations

import json
from collections.abc import Iterator

from .live import AccountState
from .model import Control, Observation, Severity
from .policies import plain_http_denied
from .remedy import put_back

BLOCKS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")


def _public_access(live: AccountState) -> Iterator[Observation]:
    for bucket in live.buckets:
        absent = "NoSuchPublicAccessBlockConfiguration"
        found = live.bucket("get_public_access_block", bucket, absent).get(
            "PublicAccessBlockConfiguration", {}
        )
        missing = [name for name in BLOCKS if not found.get(name)]
        yield Observation(
            bucket, not missing, f"off: {', '.join(missing)}" if missing else "all four blocks are on"
        )


def _bucket_encryption(live: AccountState) -> Iterator[Observation]:
    absent = "ServerSideEncryptionConfigurationNotFoundError"
    for bucket in live.buckets:
        found = live.bucket("get_bucket_encryption", bucket, absent).get(
            "ServerSideEncryptionConfiguration", {}
        )
        ways = [
            rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"]
            for rule in found.get("Rules", ())
            if "ApplyServerSideEncryptionByDefault" in rule
        ]
        # Load balancers deliver their logs to buckets with S3's own keys only.
        wanted = "aws:kms" if bucket.startswith("elasticbeanstalk-") else "AES256"
        ok = bool(ways) and (wanted in ways or "aws:kms" in ways)
        yield Observation(bucket, ok, f"encrypted by {', '.join(ways)}" if ways else "no default encryption")


def _bucket_tls(live: AccountState) -> Iterator[Observation]:
    for bucket in live.buckets:
        denied = plain_http_denied(live.bucket_policy(bucket))
        yield Observation(
            bucket, denied, "plain HTTP is denied" if denied else "its policy allows plain HTTP"
        )


def _versioning(live: AccountState) -> Iterator[Observation]:
    for bucket in live.buckets:
        status = live.bucket("get_bucket_versioning", bucket, "NoSuchBucket").get("Status", "off")
        yield Observation(bucket, status == "Enabled", f"versioning is {status}")


def _lifecycle(live: AccountState) -> Iterator[Observation]:
    for bucket in live.buckets:
        found = live.bucket("get_bucket_lifecycle_configuration", bucket, "NoSuchLifecycleConfiguration")
        rules = [rule for rule in found.get("Rules", ()) if rule["Status"] == "Enabled"]
        yield Observation(bucket, bool(rules), f"{len(rules)} lifecycle rules")


def _bucket_logging(live: AccountState) -> Iterator[Observation]:
    for bucket in live.buckets:
        if bucket.startswith("elasticbeanstalk-"):  # the log bucket's own log would never end
            found = live.bucket("get_bucket_logging", bucket, "NoSuchBucket").get("LoggingEnabled")
            yield Observation(
                bucket, bool(found), f"logged to {found['TargetBucket']}" if found else "no access log"
            )


def _ownership(live: AccountState) -> Iterator[Observation]:
    for bucket in live.buckets:
        found = live.bucket("get_bucket_ownership_controls", bucket, "OwnershipControlsNotFoundError")
        rules = [rule["ObjectOwnership"] for rule in found.get("OwnershipControls", {}).get("Rules", ())]
        # Where nothing is said, buckets since April 2023 are BucketOwnerEnforced.
        yield Observation(
            bucket, rules in ([], ["BucketOwnerEnforced"]), ", ".join(rules) or "the default (enforced)"
        )


def _bucket_grants(live: AccountState) -> Iterator[Observation]:
    """Look for statements that let somebody in without saying from which account they come."""
    for bucket in live.buckets:
        loose = []
        for statement in live.bucket_policy(bucket):
            condition = json.dumps(statement.get("Condition", {}))
            bound = any(key in condition for key in ("aws:SourceAccount", "aws:PrincipalAccount"))
            own = f":{live.aws.account()}:" in json.dumps(statement.get("Principal", ""))
            if statement["Effect"] == "Allow" and not bound and not own:
                loose.append(statement.get("Sid", "a statement"))
        told = f"not bound to this account: {', '.join(loose)}" if loose else "nobody of another account"
        yield Observation(bucket, not loose, told)


def _key_rotation(live: AccountState) -> Iterator[Observation]:
    for key in live.ids("AWS::KMS::Key"):
        on = live.aws.client("kms").get_key_rotation_status(KeyId=key)["KeyRotationEnabled"]
        yield Observation(key, on, f"rotation is {'on' if on else 'off'}")


def _key_state(live: AccountState) -> Iterator[Observation]:
    for key in live.ids("AWS::KMS::Key"):
        state = live.aws.client("kms").describe_key(KeyId=key)["KeyMetadata"]["KeyState"]
        yield Observation(key, state == "Enabled", f"the key is {state}")


def _key_policy(live: AccountState) -> Iterator[Observation]:
    for key in live.ids("AWS::KMS::Key"):
        text = live.aws.client("kms").get_key_policy(KeyId=key, PolicyName="default")["Policy"]
        open_to = [
            statement.get("Sid", "a statement")
            for statement in json.loads(text)["Statement"]
            if statement["Effect"] == "Allow"
            and statement.get("Principal") in ("*", {"AWS": "*"})
            and not statement.get("Condition")
        ]
        yield Observation(
            key, not open_to, f"open to everybody: {', '.join(open_to)}" if open_to else "no open statement"
        )


def _log_groups(live: AccountState) -> Iterator[Observation]:
    wanted = live.deployment.logs.retention_days
    for name, group in live.log_groups.items():
        if group is None:
            yield Observation(name, ok=False, evidence="somebody deleted it")
            continue
        days = group.get("retentionInDays", 0)
        encrypted = "kmsKeyId" in group
        told = f"{days or 'unlimited'} days, {'encrypted with our key' if encrypted else 'no key of ours'}"
        yield Observation(name, encrypted and (days == 0 or days >= wanted), told)


HIGH, MEDIUM, LOW, CRITICAL = Severity.HIGH, Severity.MEDIUM, Severity.LOW, Severity.CRITICAL
STORAGE = f"{put_back('storage')}; of a Beanstalk bucket that was there before: aws s3api put-…"

CONTROLS = (
    Control("S3.8", "Buckets block public access", CRITICAL, STORAGE, _public_access),
    Control("S3.17", "Buckets are encrypted", HIGH, STORAGE, _bucket_encryption),
    Control("S3.5", "Buckets take TLS only", MEDIUM, STORAGE, _bucket_tls),
    Control("S3.6", "Buckets let nobody of another account in", HIGH, STORAGE, _bucket_grants),
    Control("S3.14", "Buckets keep old versions", LOW, STORAGE, _versioning),
    Control("S3.13", "Buckets have lifecycle rules", LOW, STORAGE, _lifecycle),
    Control("S3.9", "Access to Beanstalk's bucket is logged", MEDIUM, STORAGE, _bucket_logging),
    Control("S3.12", "Objects belong to the bucket's owner", MEDIUM, STORAGE, _ownership),
    Control("KMS.4", "Keys rotate", MEDIUM, put_back("keys"), _key_rotation),
    Control(
        "KMS.3",
        "No key is being deleted",
        CRITICAL,
        "aws kms cancel-key-deletion, then aws kms enable-key",
        _key_state,
    ),
    Control("KMS.5", "No key is open to everybody", CRITICAL, put_back("keys"), _key_policy),
    Control("BV.LOG1", "Logs are encrypted and kept", MEDIUM, put_back(), _log_groups),
)
