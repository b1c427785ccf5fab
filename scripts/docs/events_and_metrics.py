"""The references of events and metrics: produced by the real code, and captured instead of sent."""

from __future__ import annotations

import contextlib
import io
import json
from typing import Any, cast

from beanvault.replication.replication_request import put_replication_request
from eb_app.replication_request import ReplicationRequester
from replicator import handler
from replicator.aws import Clients
from replicator.changes import Applied, Create
from replicator.config import Config
from replicator.contract.events import REPLICATION_REQUESTED, SECRET_REPLICATED, EventType, RequestReason
from replicator.model import DesiredSecret, Revision
from replicator.notify import Bus
from replicator.report import RunReport
from scripts.docs.markdown import DESCRIPTIONS, ROOT, TEXT, block, code, page, table
from templates.alarms import alarms
from templates.deployment_file import read
from templates.metric_alarm import MetricAlarm

SOURCE = "beanvault/app/database"
OWNER = "shop"
ARN = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:shop/app/database-AbCdEf"


class CapturedEvents:
    """Accepts events in the place of EventBridge, and keeps them."""

    def __init__(self) -> None:
        self.entries: list[dict[str, str]] = []

    @property
    def events(self) -> CapturedEvents:
        return self

    def put_events(self, *, Entries: list[dict[str, str]]) -> dict[str, Any]:  # noqa: N803 - the SDK's name
        self.entries += Entries
        return {"FailedEntryCount": 0, "Entries": [{} for _ in Entries]}

    def last_event(self) -> str:
        """Return the last event as a rule on the bus receives it."""
        entry = self.entries[-1]
        event = {
            "source": entry["Source"],
            "detail-type": entry["DetailType"],
            "detail": json.loads(entry["Detail"]),
        }
        return block(json.dumps(event, indent=2), "json")


def events() -> str:
    parts = [
        f"### {reason}\n\n{meaning}\n\n{request_event(reason)}"
        for reason, meaning in DESCRIPTIONS["reasons"].items()
    ]
    return page(
        "Events",
        "the code that sends them",
        TEXT["events"],
        f"{_heading(SECRET_REPLICATED)} {TEXT['secret_replicated']}",
        replicated_event(),
        f"{_heading(REPLICATION_REQUESTED)} {TEXT['replication_requested']}",
        *parts,
    )


def _heading(event: EventType) -> str:
    return f"## {event.detail_type}\n\nSource `{event.source}`."


def replicated_event() -> str:
    captured = CapturedEvents()
    revision = Revision(SOURCE, 3, "2026-11-23T10:00:00Z")
    version = revision.version_id(OWNER)
    desired = DesiredSecret("shop/app/database", revision, version, "", None, ())
    bus = Bus(cast(Clients, captured), f"{OWNER}-beanvault")
    bus.publish(Applied(Create(desired), ARN, version))
    bus.flush()
    return captured.last_event()


def request_event(reason: str) -> str:
    captured = CapturedEvents()
    match reason:
        case "demand":
            ReplicationRequester(captured, f"{OWNER}-beanvault", SOURCE)()
        case "continuation":
            Bus(cast(Clients, captured), f"{OWNER}-beanvault").request_continuation((SOURCE,))
        case _:
            put_replication_request(
                cast(Any, captured), f"{OWNER}-beanvault", [SOURCE], RequestReason(reason)
            )
    return captured.last_event()


def metric_record() -> dict[str, Any]:
    """Return one record of the embedded metric format as the function writes it."""
    settings = {
        "BEANVAULT_CONNECTION_SECRET": "shop-connection",
        "BEANVAULT_MOUNT": "beanvault",
        "BEANVAULT_PREFIX": OWNER,
        "BEANVAULT_OWNER": OWNER,
    }
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        handler._emit(RunReport(complete=True), Config.from_environ(settings))
    record: dict[str, Any] = json.loads(out.getvalue())
    return record


def metrics() -> str:
    (directive,) = metric_record()["_aws"]["CloudWatchMetrics"]
    namespace, ((dimension,),) = directive["Namespace"], directive["Dimensions"]
    meanings = DESCRIPTIONS["metrics"]
    rows = [(code(each["Name"]), each["Unit"], meanings[each["Name"]]) for each in directive["Metrics"]]
    deployment = read(ROOT / "config" / "production.toml")
    return page(
        "Metrics and alarms",
        "what the function writes, and `templates/alarms.py`",
        f"Namespace {code(namespace)}, dimension {code(dimension)}. {TEXT['metrics']}",
        table(("metric", "unit", "counts"), rows),
        f"## Alarms\n\n{TEXT['alarms']}",
        table(
            ("alarm", "metric", "when", "over", "no data means"),
            map(_alarm, alarms(deployment)),
        ),
        TEXT["dashboard"],
    )


def _alarm(alarm: MetricAlarm) -> tuple[str, ...]:
    period = f"{alarm.period // 60} min"
    return (
        f"[{alarm.name}](../operations.md#{alarm.runbook})",
        f"{alarm.namespace} {code(alarm.metric)}",
        f"{alarm.statistic.lower()} {'below' if alarm.below else 'at least'} {alarm.threshold:,g}",
        f"{alarm.periods} periods of {period}" if alarm.periods > 1 else period,
        {"breaching": "an alarm", "notBreaching": "nothing", "ignore": "no change"}[alarm.missing],
    )
