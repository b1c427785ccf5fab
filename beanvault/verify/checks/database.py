"""Controls of the database."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from templates.aws_versions import DATABASE_CERTIFICATE_AUTHORITY, DATABASE_ENGINE_VERSION

from ..account.database import DbInstance
from ..account.state import AccountState
from ..model import Check, Control, Observation, Severity
from ..remedies import revert_drift


def _property(
    name: str,
    read: Callable[[DbInstance], object],
    ok: Callable[[DbInstance], bool],
    accepted: Callable[[AccountState], bool] = lambda _: False,
) -> Check:
    """Return the check of one property of the DB instance, which RDS calls *name*."""

    def check(state: AccountState) -> Iterator[Observation]:
        instance = state.database.instance
        yield Observation(instance.id, ok(instance), f"{name} is {read(instance)}", accepted(state))

    return check


def _on(
    name: str, read: Callable[[DbInstance], bool], accepted: Callable[[AccountState], bool] = lambda _: False
) -> Check:
    """Return the check that a property of the DB instance is true."""
    return _property(name, read, read, accepted)


LEAST_BACKUP_DAYS = 7
"""https://docs.aws.amazon.com/securityhub/latest/userguide/rds-controls.html#rds-11"""


def _backups(state: AccountState) -> Iterator[Observation]:
    instance, configured = state.database.instance, state.deployment.database.backup_days
    ok = instance.backup_days >= max(configured, LEAST_BACKUP_DAYS)
    accepted = instance.backup_days == configured < LEAST_BACKUP_DAYS
    evidence = f"kept for {instance.backup_days} days, {configured} configured"
    yield Observation(instance.id, ok, evidence, accepted)


def _tls_required(state: AccountState) -> Iterator[Observation]:
    value = state.database.parameters.get("require_secure_transport", "")
    yield Observation(
        state.database.instance.id,
        value.lower() in ("1", "on"),
        f"require_secure_transport is {value or 'not set'}",
    )


def _managed_password(state: AccountState) -> Iterator[Observation]:
    instance = state.database.instance
    key = instance.master_secret_key
    ok = key is not None and "alias/aws/" not in key
    evidence = "RDS doesn't manage the password" if key is None else f"RDS manages the password with {key}"
    yield Observation(instance.id, ok, evidence)


def _engine(state: AccountState) -> Iterator[Observation]:
    instance = state.database.instance
    ok = is_supported(instance.engine_version)
    yield Observation(instance.id, ok, f"{instance.engine} {instance.engine_version}")


def is_supported(version: str) -> bool:
    """Whether a version of MySQL is of a supported series."""
    return any(f"{version}.".startswith(f"{series}.") for series in DATABASE_ENGINE_VERSION.supported)


LOG_TYPES = frozenset({"audit", "error", "slowquery"})


def _log_exports(state: AccountState) -> Iterator[Observation]:
    exported = state.database.instance.log_exports
    evidence = f"exported: {', '.join(sorted(exported)) or 'none'}"
    yield Observation(state.database.instance.id, exported >= LOG_TYPES, evidence)


MYSQL_PORT = 3306


def _events(source_type: str, *required: str) -> Check:
    """Return the check that events of these categories go to the alerts topic."""

    def check(state: AccountState) -> Iterator[Observation]:
        ours = state.stacks.ids("AWS::RDS::EventSubscription")
        published: set[str] = set()
        for subscription in state.database.event_subscriptions:
            reported = subscription.name in ours or subscription.topic in state.alerts.topic_arns
            if reported and subscription.enabled and subscription.source_type == source_type:
                # No categories means all of them.
                published |= subscription.categories or set(required)
        missing = ", ".join(sorted(set(required) - published))
        evidence = f"not published: {missing}" if missing else "published to the alerts topic"
        yield Observation(source_type, not missing, evidence)

    return check


def _proxy_tls(state: AccountState) -> Iterator[Observation]:
    for name in state.stacks.ids("AWS::RDS::DBProxy"):
        required = state.database.proxy_requires_tls(name)
        yield Observation(name, required, f"RequireTLS is {required}")


def _backup_plan(state: AccountState) -> Iterator[Observation]:
    instance = state.database.instance
    selections = [each.name for each in state.database.backup_selections if instance.arn in each.resources]
    evidence = f"selected by {', '.join(selections)}" if selections else "no backup plan selects it"
    accepted = not state.deployment.database.backup_plan
    yield Observation(instance.id, bool(selections), evidence, accepted)


HIGH, MEDIUM, LOW, CRITICAL = Severity.HIGH, Severity.MEDIUM, Severity.LOW, Severity.CRITICAL
DATA = revert_drift("data")


def _or_set(setting: str) -> str:
    """Return the remedy of a property that a trial may turn off in its deployment file."""
    return f"{DATA}; in a trial: set database.{setting}"


CONTROLS = (
    Control(
        "RDS.3",
        "The database is encrypted",
        HIGH,
        "copy a snapshot with a key and restore the copy: encryption can't be turned on",
        _on("StorageEncrypted", lambda db: db.encrypted),
    ),
    Control(
        "RDS.2",
        "The database has no public address",
        CRITICAL,
        DATA,
        _property("PubliclyAccessible", lambda db: db.public, lambda db: not db.public),
    ),
    Control(
        "RDS.5",
        "The database spans two zones",
        MEDIUM,
        _or_set("multi_az = true"),
        _on("MultiAZ", lambda db: db.multi_az, lambda state: not state.deployment.database.multi_az),
    ),
    Control(
        "RDS.8",
        "The database is protected from deletion",
        MEDIUM,
        _or_set("deletion_protection = true"),
        _on(
            "DeletionProtection",
            lambda db: db.deletion_protection,
            lambda state: not state.deployment.database.deletion_protection,
        ),
    ),
    Control(
        "RDS.10",
        "IAM authentication is enabled",
        MEDIUM,
        DATA,
        _on("IAMDatabaseAuthenticationEnabled", lambda db: db.iam_authentication),
    ),
    Control("RDS.11", "Backups are kept", MEDIUM, _or_set("backup_days = 35"), _backups),
    Control(
        "RDS.13",
        "Minor versions are upgraded automatically",
        HIGH,
        DATA,
        _on("AutoMinorVersionUpgrade", lambda db: db.upgrades_minor_versions),
    ),
    Control(
        "RDS.26",
        "A backup plan covers the database",
        MEDIUM,
        _or_set("backup_plan = true"),
        _backup_plan,
    ),
    Control(
        "RDS.20",
        "The instance's critical events are published",
        LOW,
        DATA,
        _events("db-instance", "configuration change", "failure", "maintenance"),
    ),
    Control(
        "RDS.21",
        "Changes of database parameters are published",
        LOW,
        DATA,
        _events("db-parameter-group", "configuration change"),
    ),
    Control(
        "RDS.22",
        "Changes of database security groups are published",
        LOW,
        DATA,
        _events("db-security-group", "configuration change", "failure"),
    ),
    Control(
        "RDS.23",
        "The database doesn't use MySQL's default port",
        LOW,
        _or_set("port = 3307"),
        _property("Port", lambda db: db.port, lambda db: db.port != MYSQL_PORT),
    ),
    Control("RDS.43", "The database proxy accepts TLS only", MEDIUM, DATA, _proxy_tls),
    Control(
        "RDS.17",
        "Snapshots carry the tags",
        LOW,
        DATA,
        _on("CopyTagsToSnapshot", lambda db: db.copies_tags_to_snapshots),
    ),
    Control(
        "RDS.6",
        "Enhanced monitoring is on",
        LOW,
        DATA,
        _property(
            "MonitoringInterval", lambda db: db.monitoring_seconds, lambda db: db.monitoring_seconds > 0
        ),
    ),
    Control("RDS.9", "Database logs are exported", MEDIUM, DATA, _log_exports),
    Control(
        "RDS.25",
        "The master user has no default name",
        MEDIUM,
        "restore the database into a new deployment: a master user can't be renamed",
        _property(
            "MasterUsername",
            lambda db: db.master_username,
            lambda db: db.master_username not in ("admin", "root", "postgres"),
        ),
    ),
    Control("RDS.39", "The database accepts TLS only", HIGH, DATA, _tls_required),
    Control(
        "BV.DATA1",
        "The certificate authority is current",
        MEDIUM,
        DATA,
        _property(
            "CACertificateIdentifier",
            lambda db: db.certificate_authority,
            lambda db: db.certificate_authority in DATABASE_CERTIFICATE_AUTHORITY.supported,
        ),
    ),
    Control(
        "BV.DATA2",
        "The engine version is supported",
        HIGH,
        'set [database] engine_version to "9.7", then beanvault deploy data (an outage of minutes: '
        "docs/operations.md#changing-a-deployment)",
        _engine,
    ),
    Control("BV.DATA3", "RDS manages the master password", HIGH, DATA, _managed_password),
)
