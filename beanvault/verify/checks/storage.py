"""Controls of buckets, keys and log groups."""

from __future__ import annotations

from collections.abc import Iterator

from templates.functions.harden_bucket import DELETED

from ..account.policies import PolicyStatement, plain_http_denied
from ..account.state import AccountState
from ..model import Control, Observation, Severity
from ..remedies import revert_drift

LOG_DELIVERY = "logdelivery.elasticloadbalancing.amazonaws.com"
"""https://docs.aws.amazon.com/elasticloadbalancing/latest/application/enable-access-logging.html"""


def _is_shared(state: AccountState, bucket: str) -> bool:
    """Whether it is a bucket of Beanstalk older than the deployment, whose settings are its owner's.

    Changing one could break other environments, so the deployment leaves them, and they are only reported.
    Public access and other accounts stay failures, because the deployment's bundles are in it.
    """
    shared = state.deployment.storage.beanstalk_bucket == "existing"
    return shared and bucket == state.storage.beanstalk_bucket


def _public_access(state: AccountState) -> Iterator[Observation]:
    for bucket in state.storage.buckets:
        missing = state.storage.public_access_block(bucket).missing
        evidence = f"off: {', '.join(missing)}" if missing else "all four settings are on"
        yield Observation(bucket, not missing, evidence)


def _bucket_encryption(state: AccountState) -> Iterator[Observation]:
    for bucket in state.storage.buckets:
        algorithms = state.storage.encryption_algorithms(bucket)
        # Load balancers deliver their logs only to buckets with S3's own keys.
        acceptable = {"aws:kms"} if bucket == state.storage.beanstalk_bucket else {"aws:kms", "AES256"}
        evidence = f"encrypted with {', '.join(algorithms)}" if algorithms else "no default encryption"
        ok = bool(acceptable & set(algorithms))
        yield Observation(bucket, ok, evidence, accepted_by_config=not ok and _is_shared(state, bucket))


def _bucket_tls(state: AccountState) -> Iterator[Observation]:
    for bucket in state.storage.buckets:
        denied = plain_http_denied(state.storage.bucket_policy(bucket))
        whole = "" if not _is_shared(state, bucket) else " for this deployment's objects"
        evidence = f"plain HTTP is denied{whole}" if denied else "the policy doesn't deny plain HTTP"
        yield Observation(bucket, denied, evidence)


def _bucket_policy(state: AccountState) -> Iterator[Observation]:
    account = state.aws.account()
    for bucket in state.storage.buckets:
        others = [
            statement.name
            for statement in state.storage.bucket_policy(bucket)
            if allows_other_accounts(statement, account)
        ]
        evidence = (
            f"not limited to this account: {', '.join(others)}" if others else "limited to this account"
        )
        yield Observation(bucket, not others, evidence)


def allows_other_accounts(statement: PolicyStatement, account: str) -> bool:
    """Whether a statement allows something to principals that it doesn't limit to *account*.

    The delivery of load balancers' logs has no condition to be limited by. It writes an account's logs below
    the account's id, so its objects are the limit.
    """
    own_condition = any(
        statement.required(key) == {account} for key in ("aws:SourceAccount", "aws:PrincipalAccount")
    )
    named = statement.principals.get("AWS", frozenset())
    own_principals = set(statement.principals) == {"AWS"} and all(
        # The id of a deleted role or user, as policies show it, matches no caller.
        principal == account or f":{account}:" in principal or DELETED.fullmatch(principal)
        for principal in named
    )
    own_logs = statement.principals == {"Service": frozenset({LOG_DELIVERY})} and all(
        f"/AWSLogs/{account}/" in resource for resource in statement.resources
    )
    return statement.allows and not own_condition and not own_principals and not own_logs


def _versioning(state: AccountState) -> Iterator[Observation]:
    for bucket in state.storage.buckets:
        status = state.storage.versioning(bucket)
        accepted = status != "Enabled" and _is_shared(state, bucket)
        evidence = f"versioning is {status or 'off'}"
        yield Observation(bucket, status == "Enabled", evidence, accepted_by_config=accepted)


def _lifecycle(state: AccountState) -> Iterator[Observation]:
    for bucket in state.storage.buckets:
        rules = state.storage.enabled_lifecycle_rules(bucket)
        yield Observation(bucket, bool(rules), f"{rules} lifecycle rules")


def _bucket_logging(state: AccountState) -> Iterator[Observation]:
    # Not for the log bucket: its log would log itself.
    bucket = state.storage.beanstalk_bucket
    target = state.storage.log_bucket(bucket)
    evidence = f"logged to {target}" if target else "no access log"
    accepted = not target and _is_shared(state, bucket)
    yield Observation(bucket, bool(target), evidence, accepted_by_config=accepted)


def _object_ownership(state: AccountState) -> Iterator[Observation]:
    for bucket in state.storage.buckets:
        rules = state.storage.object_ownership(bucket)
        # Buckets created since April 2023 are BucketOwnerEnforced unless their rules differ.
        ok = set(rules) <= {"BucketOwnerEnforced"}
        evidence = ", ".join(rules) or "the default (BucketOwnerEnforced)"
        # https://github.com/aws/aws-elastic-beanstalk-cli/issues/388
        beanstalks = bucket == state.storage.beanstalk_bucket
        reason = "Beanstalk writes with ACLs, and launches no environment where they are off"
        yield Observation(bucket, ok, evidence, accepted_because=reason if beanstalks and not ok else "")


def _key_rotation(state: AccountState) -> Iterator[Observation]:
    for key in state.storage.keys:
        on = state.storage.key_rotates(key)
        yield Observation(key, on, f"rotation is {'on' if on else 'off'}")


def _key_state(state: AccountState) -> Iterator[Observation]:
    for key in state.storage.keys:
        found = state.storage.key_state(key)
        yield Observation(key, found == "Enabled", f"the key is {found}")


def _key_policy(state: AccountState) -> Iterator[Observation]:
    for key in state.storage.keys:
        open_statements = [
            statement.name
            for statement in state.storage.key_policy(key)
            if statement.allows and statement.for_anyone and not statement.conditions
        ]
        evidence = (
            f"open to every account: {', '.join(open_statements)}"
            if open_statements
            else "no statement is open to every account"
        )
        yield Observation(key, not open_statements, evidence)


def _log_groups(state: AccountState) -> Iterator[Observation]:
    required = state.deployment.logs.retention_days
    for name, group in state.storage.log_groups.items():
        if group is None:
            yield Observation(name, ok=False, evidence="the log group was deleted")
            continue
        days = group.retention_days
        kept = days is None or days >= required
        evidence = (
            f"kept {'for ever' if days is None else f'for {days} days'}, "
            f"{'encrypted with a KMS key' if group.has_kms_key else 'no KMS key'}"
        )
        yield Observation(name, group.has_kms_key and kept, evidence)


HIGH, MEDIUM, LOW, CRITICAL = Severity.HIGH, Severity.MEDIUM, Severity.LOW, Severity.CRITICAL
STORAGE = (
    f"{revert_drift('storage')}; for a Beanstalk bucket older than the deployment, if its other users agree: "
    "aws s3api put-…"
)

CONTROLS = (
    Control("S3.8", "Buckets block public access", CRITICAL, STORAGE, _public_access),
    Control("S3.17", "Buckets are encrypted", HIGH, STORAGE, _bucket_encryption),
    Control("S3.5", "Buckets accept TLS only", MEDIUM, STORAGE, _bucket_tls),
    Control("S3.6", "Bucket policies allow no other account", HIGH, STORAGE, _bucket_policy),
    Control("S3.14", "Buckets keep old versions", LOW, STORAGE, _versioning),
    Control("S3.13", "Buckets have lifecycle rules", LOW, STORAGE, _lifecycle),
    Control("S3.9", "Access to Beanstalk's bucket is logged", MEDIUM, STORAGE, _bucket_logging),
    Control("S3.12", "Objects belong to the bucket's owner", MEDIUM, STORAGE, _object_ownership),
    Control("KMS.4", "Keys rotate", MEDIUM, revert_drift("keys"), _key_rotation),
    Control(
        "KMS.3",
        "No key is scheduled for deletion",
        CRITICAL,
        "aws kms cancel-key-deletion, then aws kms enable-key",
        _key_state,
    ),
    Control("KMS.5", "No key is open to every account", CRITICAL, revert_drift("keys"), _key_policy),
    Control(
        "BV.LOG1", "Logs are encrypted and kept as long as configured", MEDIUM, revert_drift(), _log_groups
    ),
)
