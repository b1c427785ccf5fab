"""What moto lacks or gets wrong in Secrets Manager, STS, EventBridge and Backup."""

from __future__ import annotations

import threading

from ..settings import LocalAwsSettings
from . import backup, events, secretsmanager, sts

_stop = threading.Event()


def install(settings: LocalAwsSettings) -> None:
    """Correct moto's services in this process, and start firing schedules."""
    backup.install()
    secretsmanager.install()
    sts.install(settings.home)
    events.install(settings.home, _stop)


def close() -> None:
    """Fire no more schedules."""
    _stop.set()
