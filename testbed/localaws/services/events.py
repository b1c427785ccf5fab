"""EventBridge: rules deliver to functions, queues and topics whose policy allows it; `rate` schedules fire.

Schedules follow the real clock, to the second, from when they are first observed. `cron` schedules never fire
here.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import json
import re
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from moto.events.models import Rule, events_backends

from ..authorization import service_is_allowed
from ..moto_client import client
from .delivery import ACTIONS, Clients, send

DELIVERED_HERE = ("lambda", "sns", "sqs")
SECONDS_PER_UNIT = {"minute": 60, "hour": 3600, "day": 86400}


def install(home: Path, stop: threading.Event) -> None:
    """Correct the delivery of rules, and fire schedules until *stop* is set."""
    failures = home / "undelivered.log"
    original = Rule.send_to_targets

    @functools.wraps(original)
    def send_to_targets(self: Rule, original_event: Any, transform_input: bool = True) -> None:
        """Moto answers PutEvents with 500 for functions and topics, and sends events to disabled rules."""
        if self.state != "ENABLED" or (self.scheduled_expression and not self.event_pattern.get_pattern()):
            return
        if self.event_pattern.matches_event(original_event):
            deliver(self, original_event, failures)
        others = copy.copy(self)
        others.targets = [one for one in self.targets if one["Arn"].split(":")[2] not in DELIVERED_HERE]
        original(others, original_event, transform_input)

    Rule.send_to_targets = send_to_targets  # type: ignore[method-assign]  # a hook
    threading.Thread(target=_follow_schedules, args=(failures, stop), daemon=True).start()


def deliver(rule: Rule, event: Any, failures: Path) -> None:
    """Deliver *event* to those of the rule's targets whose policy allows EventBridge to."""
    clients = functools.partial(client, region=rule.region_name, account=rule.account_id)
    for target in rule.targets:
        arn = target["Arn"]
        if arn.split(":")[2] in DELIVERED_HERE:
            action = ACTIONS[arn.split(":")[2]]
            allowed = service_is_allowed("events.amazonaws.com", action, arn, rule.arn)
            _attempt(clients, target, _envelope(event), failures, allowed=allowed)


def _attempt(
    clients: Clients,
    target: dict[str, Any],
    body: str,
    failures: Path,
    *,
    allowed: bool,
) -> None:
    """Send the message; on failure log why and send it to the target's dead-letter queue."""
    try:
        if not allowed:
            raise LookupError("the target's policy does not allow EventBridge to send to it")  # noqa: TRY301
        send(clients, target["Arn"], body)
    except (ClientError, LookupError) as error:
        with failures.open("a") as file:
            file.write(f"{datetime.now(UTC).isoformat()} {target['Arn']}: {error}\n")
        queue = (target.get("DeadLetterConfig") or {}).get("Arn")
        if queue:
            with contextlib.suppress(ClientError):
                send(
                    clients,
                    queue,
                    body,
                    attributes={"ERROR_MESSAGE": str(error), "TARGET_ARN": target["Arn"]},
                )


def _envelope(event: dict[str, Any]) -> str:
    moment = event["time"]
    if isinstance(moment, int | float):
        moment = f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%dT%H:%M:%SZ}"
    return json.dumps(
        {name: value for name, value in event.items() if name != "ingestion-time"} | {"time": moment}
    )


def seconds_of(expression: str | None) -> int | None:
    """Return the period of `rate(5 minutes)`; None for any other expression."""
    found = re.fullmatch(r"rate\((\d+) (minute|hour|day)s?\)", expression or "")
    return int(found[1]) * SECONDS_PER_UNIT[found[2]] if found else None


def _follow_schedules(failures: Path, stop: threading.Event) -> None:
    due: dict[tuple[str, str], float] = {}
    while not stop.wait(0.5):
        for rule in list(_schedules()):
            period = seconds_of(rule.scheduled_expression)
            if period is None:
                continue
            now, key = time.monotonic(), (rule.arn, str(rule.scheduled_expression))
            if now >= due.setdefault(key, now + period):
                due[key] = now + period
                _fire_rule(rule, failures)


def _schedules() -> Iterator[Rule]:
    """Yield every enabled rule with a schedule."""
    for regions in list(events_backends.values()):
        for backend in list(regions.values()):
            for bus in list(backend.event_buses.values()):
                for rule in list(bus.rules.values()):
                    if rule.scheduled_expression and rule.state == "ENABLED":
                        yield rule


def _fire_rule(rule: Rule, failures: Path) -> None:
    event = {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": rule.account_id,
        "time": time.time(),
        "region": rule.region_name,
        "resources": [rule.arn],
        "detail": {},
    }
    deliver(rule, event, failures)
