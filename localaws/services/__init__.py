"""What moto lacks or gets wrong in the services of a deployment: Secrets Manager, STS, EventBridge, Scheduler."""

from __future__ import annotations

from ..settings import Settings


def install(settings: Settings) -> None:
    """Correct moto's services in this process."""
