"""Connections are kept: a run makes no more of them than it has workers, however many calls it makes."""

from __future__ import annotations

import pytest
from botocore.config import Config

from replicator import aws, handler
from replicator.aws import Clients
from replicator.vault import POOL_SIZE

from .support_bad_days import Day

SECRETS = 50


def connections(day: Day) -> tuple[int, int]:
    """Return how many connections to AWS and to Vault a first run makes, which has all values to fetch."""
    for number in range(SECRETS):
        day.bench.write(f"app/{number}", password="canary")
    told = day.invoke()
    assert told.failed is None, told.problems
    assert told.counts["Created"] == SECRETS
    assert len(day.aws.calls()) > 2 * SECRETS
    assert len(day.vault.calls()) > SECRETS
    return len({call.port for call in day.aws.calls()}), len({call.port for call in day.vault.calls()})


def test_a_run_makes_no_more_connections_than_it_has_workers(day: Day) -> None:
    to_aws, to_vault = connections(day)
    assert to_aws <= aws.WORKERS
    assert to_vault <= POOL_SIZE


def test_connections_that_are_not_kept_are_more(day: Day, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control of the other."""
    monkeypatch.setattr(aws, "CLIENT_CONFIG", aws.CLIENT_CONFIG.merge(Config(max_pool_connections=1)))
    monkeypatch.setattr(handler, "_clients", Clients(day.bench.session))
    to_aws, _ = connections(day)
    assert to_aws > aws.WORKERS
