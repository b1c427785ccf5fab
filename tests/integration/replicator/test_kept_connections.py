"""Story of replicator/vault.py and replicator/aws.py.

Connections are reused (`vault.py`, `aws.py`): a run opens no more of them than it has workers.
"""

from __future__ import annotations

from dataclasses import replace

from botocore.config import Config

from replicator import aws
from replicator.aws import Clients
from replicator.tls import POOL_SIZE

from .support_bad_days import Day

SECRETS = 50


def connections(day: Day) -> tuple[int, int]:
    """Return how many connections to AWS and to Vault a first run makes, which has all values to fetch."""
    for number in range(SECRETS):
        day.bench.write(f"app/{number}", password="canary")
    result = day.invoke()
    assert result.failed is None, result.problems
    assert result.counts["Created"] == SECRETS
    assert len(day.aws.calls()) > 2 * SECRETS
    assert len(day.vault.calls()) > SECRETS
    return len({call.port for call in day.aws.calls()}), len({call.port for call in day.vault.calls()})


def test_a_run_makes_no_more_connections_than_it_has_workers(day: Day) -> None:
    to_aws, to_vault = connections(day)
    assert to_aws <= aws.WORKERS
    assert to_vault <= POOL_SIZE


def test_connections_that_are_not_kept_are_more(day: Day) -> None:
    """Negative control of the other."""
    one_connection = aws.CLIENT_CONFIG.merge(Config(max_pool_connections=1))
    day.function = replace(day.function, clients=Clients(day.bench.session, one_connection))
    to_aws, _ = connections(day)
    assert to_aws > aws.WORKERS
