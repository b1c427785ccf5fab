"""`beanvault alerts test`: the subscribers, those not confirmed yet, and what is printed of each."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from beanvault import cli
from beanvault.commands.alerts import _is_confirmed, _without_key
from beanvault.errors import ExitCode
from testbed.servers.localaws import REGION, LocalAws

KEY = "T0000/B0000/canary-of-a-webhook"


@pytest.fixture
def config(tmp_path: Path, local_aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, value in local_aws.environment().items():
        monkeypatch.setenv(name, value)
    made = tmp_path / "beanvault.toml"
    name = f"a{uuid.uuid4().hex[:8]}"
    made.write_text(f'name = "{name}"\nregion = "{REGION}"\n[vault]\nwhere = "host"\n')
    local_aws.client("sns").create_topic(Name=f"{name}-alerts")
    return made


class _Webhook(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response_only(200)  # without a line on standard error
        self.end_headers()


@pytest.fixture
def webhook() -> Iterator[HTTPServer]:
    with HTTPServer(("127.0.0.1", 0), _Webhook) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def _subscribe(aws: LocalAws, config: Path, protocol: str, endpoint: str) -> None:
    name = config.read_text().split('"')[1]
    topic = f"arn:aws:sns:{REGION}:123456789012:{name}-alerts"
    aws.client("sns").subscribe(TopicArn=topic, Protocol=protocol, Endpoint=endpoint)


def test_a_topic_without_subscribers_is_an_error(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["--config", str(config), "alerts", "test"]) == ExitCode.FAILED
    assert "has no subscribers" in capsys.readouterr().err


def test_all_subscribers_get_the_message_and_a_webhooks_key_is_not_printed(
    config: Path, local_aws: LocalAws, webhook: HTTPServer, capsys: pytest.CaptureFixture[str]
) -> None:
    host = f"127.0.0.1:{webhook.server_address[1]}"
    _subscribe(local_aws, config, "email", "ops@example.com")
    _subscribe(local_aws, config, "http", f"http://{host}/services/{KEY}")
    assert cli.run(["--config", str(config), "alerts", "test"]) == ExitCode.OK
    printed = capsys.readouterr()
    assert sorted(printed.out.splitlines()) == [
        "sent  email  ops@example.com",
        f"sent  http  http://{host}/…",
    ]
    assert KEY not in printed.out + printed.err


@pytest.mark.parametrize(
    ("endpoint", "shown"),
    [
        ("ops@example.com", "ops@example.com"),
        (f"https://hooks.slack.com/services/{KEY}", "https://hooks.slack.com/…"),
        ("https://user:canary@alerts.example?key=canary", "https://alerts.example/…"),
    ],
)
def test_of_a_webhook_its_host_is_shown(endpoint: str, shown: str) -> None:
    assert _without_key(endpoint) == shown


def test_what_is_not_confirmed_has_no_arn_yet() -> None:
    assert not _is_confirmed({"SubscriptionArn": "PendingConfirmation"})
    assert _is_confirmed({"SubscriptionArn": "arn:aws:sns:eu-central-1:123456789012:shop-alerts:1"})
