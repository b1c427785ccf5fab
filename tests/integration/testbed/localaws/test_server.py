"""Story of testbed/localaws/server.py and testbed/localaws/settings.py.

The server's process: its output, its log of requests, how it ends.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.polling import until

DEADLINE_SECONDS = 60
START = [sys.executable, "-m", "testbed.localaws", "--port", "0", "--home"]


def _client(service: str, endpoint: str) -> Any:
    return boto3.client(  # type: ignore[call-overload]  # the stubs know services by literal names
        service,
        endpoint_url=endpoint,
        region_name="eu-central-1",
        aws_access_key_id="AKIALOCALOPERATOR000",
        aws_secret_access_key="operator",
    )


@contextmanager
def _server(home: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    with subprocess.Popen([*START, home], stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield server, json.loads(server.stdout.readline())["endpoint"]
        finally:
            server.kill()


def _gone(process_id: int) -> bool:
    try:
        return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_prints_one_line_records_calls_without_values_and_ends_on_sigterm(
    tmp_path: Path, how: signal.Signals
) -> None:
    with _server(tmp_path) as (server, endpoint):
        assert endpoint.startswith("http://127.0.0.1:")
        manager, s3 = _client("secretsmanager", endpoint), _client("s3", endpoint)
        manager.create_secret(Name="name", SecretString="canary-value")
        iam = _client("iam", endpoint)
        iam.create_user(UserName="someone", Tags=[{"Key": "k", "Value": "canary-value"}])
        s3.create_bucket(Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        s3.put_object(Bucket="bucket", Key="k", Body=b"canary-value")
        with pytest.raises(iam.exceptions.NoSuchEntityException):
            iam.get_user(UserName="none")
        server.send_signal(how)
        rest, _ = server.communicate(timeout=DEADLINE_SECONDS)
        assert rest == ""
        assert server.returncode == 0
    text = (tmp_path / "requests.jsonl").read_text()
    calls = [json.loads(line) for line in text.splitlines()]
    assert [(c["service"], c["operation"], c["status"]) for c in calls] == [
        ("secretsmanager", "CreateSecret", 200),
        ("iam", "CreateUser", 200),
        ("s3", "PUT /bucket", 200),
        ("s3", "PUT /bucket/k", 200),
        ("iam", "GetUser", 404),
    ]
    assert all(call.keys() == {"time", "service", "operation", "status", "ms"} for call in calls)
    assert "canary" not in text


def test_it_ends_with_its_parent(tmp_path: Path) -> None:
    source = "import subprocess, sys; p = subprocess.Popen(sys.argv[1:]); print(p.pid, flush=True); p.wait()"
    with subprocess.Popen(
        [sys.executable, "-c", source, *START, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        server = int(parent.stdout.readline())
        try:
            assert json.loads(parent.stdout.readline())["endpoint"]
            assert not _gone(server)
            parent.kill()
            until(lambda: _gone(server))
        finally:
            if not _gone(server):
                os.kill(server, signal.SIGKILL)


def test_two_servers_side_by_side_share_nothing(tmp_path: Path) -> None:
    with _server(tmp_path / "a") as (_, first), _server(tmp_path / "b") as (_, second):
        _client("sqs", first).create_queue(QueueName="only-here")
        assert "QueueUrls" not in _client("sqs", second).list_queues()
