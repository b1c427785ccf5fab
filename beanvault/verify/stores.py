"""Controls of what holds data: buckets, database, keys, logs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from templates.current import DATABASE_CERTIFICATE_AUTHORITY, DATABASE_ENGINE_VERSION

from .live import Live, plain_http_denied
from .model import Control, Seen, Severity

BLOCKS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")


def _public_access(live: Live) -> Iterator[Seen]:
    for bucket in live.buckets:
        absent = "NoSuchPublicAccessBlockConfiguration"
        found = live.bucket("get_public_access_block", bucket, absent).get(
            "PublicAccessBlockConfiguration", {}
        )
        missing = [name for name in BLOCKS if not found.get(name)]
        yield Seen(bucket, not missing, f"off: {', '.join(missing)}" if missing else "all four blocks are on")


def _bucket_encryption(live: Live) -> Iterator[Seen]:
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
        yield Seen(bucket, ok, f"encrypted by {', '.join(ways)}" if ways else "no default encryption")


def _bucket_tls(live: Live) -> Iterator[Seen]:
    for bucket in live.buckets:
        denied = plain_http_denied(live.bucket_policy(bucket))
        yield Seen(bucket, denied, "plain HTTP is denied" if denied else "its policy allows plain HTTP")


def _versioning(live: Live) -> Iterator[Seen]:
    for bucket in live.buckets:
        status = live.bucket("get_bucket_versioning", bucket, "NoSuchBucket").get("Status", "off")
        yield Seen(bucket, status == "Enabled", f"versioning is {status}")


def _lifecycle(live: Live) -> Iterator[Seen]:
    for bucket in live.buckets:
        found = live.bucket("get_bucket_lifecycle_configuration", bucket, "NoSuchLifecycleConfiguration")
        rules = [rule for rule in found.get("Rules", ()) if rule["Status"] == "Enabled"]
        yield Seen(bucket, bool(rules), f"{len(rules)} lifecycle rules")


def _bucket_logging(live: Live) -> Iterator[Seen]:
    for bucket in live.buckets:
        if bucket.startswith("elasticbeanstalk-"):  # the log bucket's own log would never end
            found = live.bucket("get_bucket_logging", bucket, "NoSuchBucket").get("LoggingEnabled")
            yield Seen(
                bucket, bool(found), f"logged to {found['TargetBucket']}" if found else "no access log"
            )


def _ownership(live: Live) -> Iterator[Seen]:
    for bucket in live.buckets:
        found = live.bucket("get_bucket_ownership_controls", bucket, "OwnershipControlsNotFoundError")
        rules = [rule["ObjectOwnership"] for rule in found.get("OwnershipControls", {}).get("Rules", ())]
        # Where nothing is said, buckets since April 2023 are BucketOwnerEnforced.
        yield Seen(
            bucket, rules in ([], ["BucketOwnerEnforced"]), ", ".join(rules) or "the default (enforced)"
        )


def _instance(
    name: str, wanted: Callable[[Any], bool], chosen: Callable[[Live], bool] = lambda _: False
) -> Any:
    """Return a look at one attribute of the DB instance."""

    def look(live: Live) -> Iterator[Seen]:
        value = live.database.get(name)
        yield Seen(
            live.database["DBInstanceIdentifier"], wanted(value), f"{name} is {_told(value)}", chosen(live)
        )

    return look


def _told(value: Any) -> str:
    return json.dumps(value, default=str) if isinstance(value, (dict, list)) else str(value)


def _is(wanted: object) -> Callable[[Any], bool]:
    return lambda value: value == wanted


def _backups(live: Live) -> Iterator[Seen]:
    days, wanted = int(live.database.get("BackupRetentionPeriod", 0)), live.deployment.database.backup_days
    yield Seen(
        live.database["DBInstanceIdentifier"], days >= max(wanted, 1), f"{days} days, {wanted} asked for"
    )
    if days < 7:
        yield Seen(
            live.database["DBInstanceIdentifier"], ok=False, evidence=f"{days} days", chosen=wanted < 7
        )


def _tls_required(live: Live) -> Iterator[Seen]:
    value = live.parameters.get("require_secure_transport", "")
    yield Seen(
        live.database["DBInstanceIdentifier"],
        value.lower() in ("1", "on"),
        f"require_secure_transport is {value or 'not set'}",
    )


def _managed_password(live: Live) -> Iterator[Seen]:
    secret = live.database.get("MasterUserSecret") or {}
    own = "alias/aws/" not in str(secret.get("KmsKeyId", "alias/aws/"))
    told = f"RDS manages the password under {secret.get('KmsKeyId')}" if secret else "a password of its own"
    yield Seen(live.database["DBInstanceIdentifier"], bool(secret) and own, told)


def _engine(live: Live) -> Iterator[Seen]:
    version = str(live.database["EngineVersion"])
    ok = any(
        version.startswith(f"{series}.") or version == series for series in DATABASE_ENGINE_VERSION.acceptable
    )
    yield Seen(live.database["DBInstanceIdentifier"], ok, f"{live.database['Engine']} {version}")


def _log_exports(live: Live) -> Iterator[Seen]:
    exported = set(live.database.get("EnabledCloudwatchLogsExports") or ())
    missing = {"audit", "error", "slowquery"} - exported
    yield Seen(
        live.database["DBInstanceIdentifier"],
        not missing,
        f"exported: {', '.join(sorted(exported)) or 'none'}",
    )


def _key_rotation(live: Live) -> Iterator[Seen]:
    for key in live.ids("AWS::KMS::Key"):
        on = live.aws.client("kms").get_key_rotation_status(KeyId=key)["KeyRotationEnabled"]
        yield Seen(key, on, f"rotation is {'on' if on else 'off'}")


def _key_state(live: Live) -> Iterator[Seen]:
    for key in live.ids("AWS::KMS::Key"):
        state = live.aws.client("kms").describe_key(KeyId=key)["KeyMetadata"]["KeyState"]
        yield Seen(key, state == "Enabled", f"the key is {state}")


def _key_policy(live: Live) -> Iterator[Seen]:
    for key in live.ids("AWS::KMS::Key"):
        text = live.aws.client("kms").get_key_policy(KeyId=key, PolicyName="default")["Policy"]
        open_to = [
            statement.get("Sid", "a statement")
            for statement in json.loads(text)["Statement"]
            if statement["Effect"] == "Allow"
            and statement.get("Principal") in ("*", {"AWS": "*"})
            and not statement.get("Condition")
        ]
        yield Seen(
            key, not open_to, f"open to everybody: {', '.join(open_to)}" if open_to else "no open statement"
        )


def _log_groups(live: Live) -> Iterator[Seen]:
    wanted = live.deployment.logs.retention_days
    for group in live.log_groups:
        days = group.get("retentionInDays", 0)
        encrypted = "kmsKeyId" in group
        told = f"{days or 'unlimited'} days, {'encrypted with our key' if encrypted else 'no key of ours'}"
        yield Seen(group["logGroupName"], encrypted and (days == 0 or days >= wanted), told)


HIGH, MEDIUM, LOW, CRITICAL = Severity.HIGH, Severity.MEDIUM, Severity.LOW, Severity.CRITICAL
STORAGE, DATA = "deploy the storage layer again", "deploy the data layer again"

CONTROLS = (
    Control("S3.8", "Buckets block public access", CRITICAL, STORAGE, _public_access),
    Control("S3.17", "Buckets are encrypted", HIGH, STORAGE, _bucket_encryption),
    Control("S3.5", "Buckets take TLS only", MEDIUM, STORAGE, _bucket_tls),
    Control("S3.14", "Buckets keep old versions", LOW, STORAGE, _versioning),
    Control("S3.13", "Buckets have lifecycle rules", LOW, STORAGE, _lifecycle),
    Control("S3.9", "Access to Beanstalk's bucket is logged", MEDIUM, STORAGE, _bucket_logging),
    Control("S3.12", "Objects belong to the bucket's owner", MEDIUM, STORAGE, _ownership),
    Control(
        "RDS.3",
        "The database is encrypted",
        HIGH,
        "restore it from an encrypted copy",
        _instance("StorageEncrypted", _is(True)),
    ),
    Control(
        "RDS.2",
        "The database has no public address",
        CRITICAL,
        DATA,
        _instance("PubliclyAccessible", _is(False)),
    ),
    Control(
        "RDS.5",
        "The database spans two zones",
        MEDIUM,
        "set database.multi_az = true",
        _instance("MultiAZ", _is(True), lambda live: not live.deployment.database.multi_az),
    ),
    Control(
        "RDS.8",
        "The database is protected from deletion",
        MEDIUM,
        "set database.deletion_protection = true",
        _instance(
            "DeletionProtection", _is(True), lambda live: not live.deployment.database.deletion_protection
        ),
    ),
    Control(
        "RDS.10",
        "IAM authentication is possible",
        MEDIUM,
        DATA,
        _instance("IAMDatabaseAuthenticationEnabled", _is(True)),
    ),
    Control("RDS.11", "Backups are kept", MEDIUM, "set database.backup_days = 35", _backups),
    Control(
        "RDS.13", "Minor versions are upgraded", HIGH, DATA, _instance("AutoMinorVersionUpgrade", _is(True))
    ),
    Control("RDS.17", "Snapshots carry the tags", LOW, DATA, _instance("CopyTagsToSnapshot", _is(True))),
    Control("RDS.6", "Enhanced monitoring", LOW, DATA, _instance("MonitoringInterval", bool)),
    Control("RDS.9", "Database logs are exported", MEDIUM, DATA, _log_exports),
    Control(
        "RDS.25",
        "The master user isn't called admin",
        MEDIUM,
        DATA,
        _instance("MasterUsername", lambda v: v not in ("admin", "root", "postgres")),
    ),
    Control("RDS.39", "The database takes TLS only", HIGH, "set require_secure_transport = 1", _tls_required),
    Control(
        "BV.DATA1",
        "A current certificate authority",
        MEDIUM,
        DATA,
        _instance("CACertificateIdentifier", lambda v: v in DATABASE_CERTIFICATE_AUTHORITY.acceptable),
    ),
    Control("BV.DATA2", "A supported engine version", HIGH, "upgrade it", _engine),
    Control("BV.DATA3", "RDS manages the master password", HIGH, DATA, _managed_password),
    Control("KMS.4", "Keys rotate", MEDIUM, "enable rotation", _key_rotation),
    Control(
        "KMS.3",
        "No key is being deleted",
        CRITICAL,
        "cancel the deletion: aws kms cancel-key-deletion",
        _key_state,
    ),
    Control("KMS.5", "No key is open to everybody", CRITICAL, "deploy the keys layer again", _key_policy),
    Control(
        "BV.LOG1", "Logs are encrypted and kept", MEDIUM, "deploy the layer of that log again", _log_groups
    ),
)
