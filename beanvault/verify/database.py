"""Controls of the database."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from templates.aws_versions import DATABASE_CERTIFICATE_AUTHORITY, DATABASE_ENGINE_VERSION

from .live import AccountState
from .model import Control, Observation, Severity
from .remedy import put_back


def _instance(
    name: str, wanted: Callable[[Any], bool], chosen: Callable[[AccountState], bool] = lambda _: False
) -> Any:
    """Return a look at one attribute of the DB instance."""

    def look(live: AccountState) -> Iterator[Observation]:
        value = live.database.get(name)
        yield Observation(
            live.database["DBInstanceIdentifier"], wanted(value), f"{name} is {_told(value)}", chosen(live)
        )

    return look


def _told(value: Any) -> str:
    return json.dumps(value, default=str) if isinstance(value, (dict, list)) else str(value)


def _is(wanted: object) -> Callable[[Any], bool]:
    return lambda value: value == wanted


def _backups(live: AccountState) -> Iterator[Observation]:
    days, wanted = int(live.database.get("BackupRetentionPeriod", 0)), live.deployment.database.backup_days
    enough = days >= max(wanted, LEAST_BACKUP_DAYS)
    chosen = days == wanted < LEAST_BACKUP_DAYS
    yield Observation(
        live.database["DBInstanceIdentifier"], enough, f"{days} days, {wanted} asked for", chosen
    )


LEAST_BACKUP_DAYS = 7
"""https://docs.aws.amazon.com/securityhub/latest/userguide/rds-controls.html#rds-11"""


def _tls_required(live: AccountState) -> Iterator[Observation]:
    value = live.parameters.get("require_secure_transport", "")
    yield Observation(
        live.database["DBInstanceIdentifier"],
        value.lower() in ("1", "on"),
        f"require_secure_transport is {value or 'not set'}",
    )


def _managed_password(live: AccountState) -> Iterator[Observation]:
    secret = live.database.get("MasterUserSecret") or {}
    own = "alias/aws/" not in str(secret.get("KmsKeyId", "alias/aws/"))
    told = f"RDS manages the password under {secret.get('KmsKeyId')}" if secret else "a password of its own"
    yield Observation(live.database["DBInstanceIdentifier"], bool(secret) and own, told)


def _engine(live: AccountState) -> Iterator[Observation]:
    version = str(live.database["EngineVersion"])
    ok = any(
        version.startswith(f"{series}.") or version == series for series in DATABASE_ENGINE_VERSION.supported
    )
    yield Observation(live.database["DBInstanceIdentifier"], ok, f"{live.database['Engine']} {version}")


def _log_exports(live: AccountState) -> Iterator[Observation]:
    exported = set(live.database.get("EnabledCloudwatchLogsExports") or ())
    missing = {"audit", "error", "slowquery"} - exported
    yield Observation(
        live.database["DBInstanceIdentifier"],
        not missing,
        f"exported: {', '.join(sorted(exported)) or 'none'}",
    )


def _port(live: AccountState) -> Iterator[Observation]:
    port = live.database["Endpoint"]["Port"]
    yield Observation(live.database["DBInstanceIdentifier"], port != MYSQL_PORT, f"it listens on {port}")


MYSQL_PORT = 3306


def _events(kind: str, wanted: frozenset[str]) -> Callable[[AccountState], Iterator[Observation]]:
    """Return a look for a subscription to the events of one kind of source."""

    def look(live: AccountState) -> Iterator[Observation]:
        ours = set(live.ids("AWS::RDS::EventSubscription"))
        topics = set(live.ids("AWS::SNS::Topic"))
        heard: set[str] = set()
        for found in live.pages("rds", "describe_event_subscriptions", "EventSubscriptionsList"):
            told = found["CustSubscriptionId"] in ours or found["SnsTopicArn"] in topics
            if told and found["Enabled"] and found.get("SourceType") == kind:
                # No categories means all of them.
                heard |= set(found.get("EventCategoriesList") or wanted)
        missing = ", ".join(sorted(wanted - heard))
        yield Observation(
            kind, not missing, f"nobody hears of: {missing}" if missing else "the topic hears of them"
        )

    return look


def _proxy_tls(live: AccountState) -> Iterator[Observation]:
    for name in live.ids("AWS::RDS::DBProxy"):
        (proxy,) = live.aws.client("rds").describe_db_proxies(DBProxyName=name)["DBProxies"]
        required = bool(proxy["RequireTLS"])
        yield Observation(name, required, f"RequireTLS is {required}")


def _backup_plan(live: AccountState) -> Iterator[Observation]:
    """Look for a plan of ours that is there, and selects the database."""
    client = live.aws.client("backup")
    plans = {each["BackupPlanId"] for each in live.pages("backup", "list_backup_plans", "BackupPlansList")}
    arn = live.database["DBInstanceArn"]
    covering = [
        found["SelectionName"]
        for plan in plans & set(live.ids("AWS::Backup::BackupPlan"))
        for each in live.pages("backup", "list_backup_selections", "BackupSelectionsList", BackupPlanId=plan)
        for found in [
            client.get_backup_selection(BackupPlanId=plan, SelectionId=each["SelectionId"])["BackupSelection"]
        ]
        if arn in found.get("Resources", ())
    ]
    told = f"selected by {', '.join(covering)}" if covering else "no backup plan selects it"
    chosen = not live.deployment.database.backup_plan
    yield Observation(arn.rpartition(":")[2], bool(covering), told, chosen)


HIGH, MEDIUM, LOW, CRITICAL = Severity.HIGH, Severity.MEDIUM, Severity.LOW, Severity.CRITICAL
DATA = put_back("data")


def _or_set(setting: str) -> str:
    """Mend what somebody changed, or what a trial left out."""
    return f"{DATA}; a trial: set database.{setting}"


CONTROLS = (
    Control(
        "RDS.3",
        "The database is encrypted",
        HIGH,
        "copy a snapshot with a key, and restore that: encryption can't be switched on",
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
        _or_set("multi_az = true"),
        _instance("MultiAZ", _is(True), lambda live: not live.deployment.database.multi_az),
    ),
    Control(
        "RDS.8",
        "The database is protected from deletion",
        MEDIUM,
        _or_set("deletion_protection = true"),
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
    Control("RDS.11", "Backups are kept", MEDIUM, _or_set("backup_days = 35"), _backups),
    Control(
        "RDS.13", "Minor versions are upgraded", HIGH, DATA, _instance("AutoMinorVersionUpgrade", _is(True))
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
        "Somebody hears of the instance's critical events",
        LOW,
        DATA,
        _events("db-instance", frozenset({"configuration change", "failure", "maintenance"})),
    ),
    Control(
        "RDS.21",
        "Somebody hears of changed parameters",
        LOW,
        DATA,
        _events("db-parameter-group", frozenset({"configuration change"})),
    ),
    Control(
        "RDS.22",
        "Somebody hears of changed security groups",
        LOW,
        DATA,
        _events("db-security-group", frozenset({"configuration change", "failure"})),
    ),
    Control(
        "RDS.23",
        "The database has a port of its own",
        LOW,
        _or_set("port = 3307"),
        _port,
    ),
    Control("RDS.43", "The database proxy takes TLS only", MEDIUM, DATA, _proxy_tls),
    Control("RDS.17", "Snapshots carry the tags", LOW, DATA, _instance("CopyTagsToSnapshot", _is(True))),
    Control("RDS.6", "Enhanced monitoring", LOW, DATA, _instance("MonitoringInterval", bool)),
    Control("RDS.9", "Database logs are exported", MEDIUM, DATA, _log_exports),
    Control(
        "RDS.25",
        "The master user isn't called admin",
        MEDIUM,
        "restore it into a deployment of its own: a master user can't be renamed",
        _instance("MasterUsername", lambda v: v not in ("admin", "root", "postgres")),
    ),
    Control("RDS.39", "The database takes TLS only", HIGH, DATA, _tls_required),
    Control(
        "BV.DATA1",
        "A current certificate authority",
        MEDIUM,
        DATA,
        _instance("CACertificateIdentifier", lambda v: v in DATABASE_CERTIFICATE_AUTHORITY.supported),
    ),
    Control(
        "BV.DATA2",
        "A supported engine version",
        HIGH,
        "aws rds modify-db-instance --allow-major-version-upgrade",
        _engine,
    ),
    Control("BV.DATA3", "RDS manages the master password", HIGH, DATA, _managed_password),
)
