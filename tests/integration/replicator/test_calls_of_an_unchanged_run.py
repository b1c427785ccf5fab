"""Story of replicator/replicate.py and replicator/target.py.

A run that finds nothing to change lists both sides, and makes no other call (`replicate.py`).
"""

from __future__ import annotations

import collections
import json
import math
from pathlib import Path
from typing import Any

import boto3

from replicator.aws import Clients
from tests.conftest import openbao_only

SECRETS, FOLDERS = 230, 4


@openbao_only
def test_it_makes_one_call_a_page_and_one_a_folder_and_reads_no_value(
    bench: Any, run_directory: Path
) -> None:
    for number in range(SECRETS):
        bench.write(f"folder{number % (FOLDERS - 1)}/{number}", password="canary")
    assert bench.run().healthy
    session = boto3.session.Session(
        aws_access_key_id="AKIALOCALOPERATOR000",
        aws_secret_access_key="operator",
        region_name=bench.session.region_name,
    )
    calls: collections.Counter[str] = collections.Counter()
    session.events.register(
        "before-send.secretsmanager.*", lambda event_name, **_: calls.update([event_name.rpartition(".")[2]])
    )
    audit = run_directory / "openbao" / "audit.log"
    start = audit.stat().st_size
    report = bench.run(clients=Clients(session))
    assert (report.unchanged, report.outcomes) == (SECRETS, [])
    assert calls["ListSecrets"] == math.ceil(SECRETS / 100)
    assert calls.total() <= math.ceil(SECRETS / 100) + 5
    with audit.open() as log:
        log.seek(start)
        records = [json.loads(line) for line in log]
    paths = [record["request"]["path"] for record in records if record["type"] == "request"]
    assert sum("/detailed-metadata" in path for path in paths) == FOLDERS
    assert len(paths) <= FOLDERS + 5
    assert not any("/data/" in path for path in paths)
