"""`vault.py`: what is retried, what is not, and that nothing of a response is in an error."""

from __future__ import annotations

import json
import threading
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from replicator.contract.connection import VaultAddress
from replicator.contract.mounts import Mount
from replicator.errors import (
    SourceDenied,
    SourceError,
    SourceMissing,
    SourceSealed,
    SourceUnavailable,
    ValueRefused,
)
from replicator.model import Revision
from replicator.sources.database import DatabaseMount
from replicator.sources.kv2 import Kv2Mount
from replicator.vault import TIMEOUTS, Vault

GOOD = (200, '{"data":{"keys":["a"],"password":"canary"}}')


@dataclass
class Script:
    """Answers in the order given, the last one for ever; a negative status cuts its body."""

    answers: list[tuple[int, str]]
    requests: list[str] = field(default_factory=list)
    connections: set[object] = field(default_factory=set)
    pauses: list[float] = field(default_factory=list)
    address: str = ""

    def vault(self) -> Vault:
        return Vault(VaultAddress(self.address), sleep=self.pauses.append, jitter=lambda: 0.5)


@pytest.fixture
def script() -> Iterator[Script]:
    played = Script([GOOD])

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, body = played.answers.pop(0) if len(played.answers) > 1 else played.answers[0]
            played.requests.append(self.path)
            played.connections.add(self.client_address)
            self.send_response(abs(status))
            if status in (301, 307):
                self.send_header("Location", body)
                body = ""
            text = body.encode()
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text[: len(text) // 2] if status < 0 else text)
            if status < 0:
                self.close_connection = True

        do_LIST = do_GET  # noqa: N815 - the name is the method's

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    played.address = f"http://127.0.0.1:{server.server_port}"
    yield played
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("status", [412, 429, 472, 473, 500, 502, 503, 504])
def test_transient_failures_are_retried_with_growing_pauses(script: Script, status: int) -> None:
    script.answers = [(status, '{"errors":["canary"]}')] * (TIMEOUTS.attempts - 1) + [GOOD]
    assert script.vault().read("kv/data/db")["password"] == "canary"
    assert len(script.requests) == TIMEOUTS.attempts
    assert script.pauses == sorted(set(script.pauses))
    assert len(script.pauses) == TIMEOUTS.attempts - 1


UPGRADING = "Upgrading from non-versioned to versioned data. This backend will be unavailable: canary"


def test_a_mount_that_is_being_upgraded_is_waited_for(script: Script) -> None:
    """It answers 400, which otherwise means that the request itself is wrong."""
    script.answers = [(400, json.dumps({"errors": [UPGRADING]}))] * (TIMEOUTS.attempts - 1) + [GOOD]
    assert script.vault().read("kv/data/db")["password"] == "canary"


def test_a_body_that_is_cut_off_is_requested_again(script: Script) -> None:
    script.answers = [(-200, GOOD[1]), GOOD]
    assert script.vault().read("kv/data/db")["password"] == "canary"


def test_a_body_that_is_not_json_is_requested_again(script: Script) -> None:
    script.answers = [(200, "<html>canary"), GOOD]
    assert script.vault().read("kv/data/db")["password"] == "canary"


@pytest.mark.parametrize(
    ("answer", "error", "requests"),
    [
        ((403, '{"errors":["permission denied: canary"]}'), SourceDenied, 1),
        ((400, '{"errors":["canary"]}'), SourceDenied, 1),
        ((400, json.dumps({"errors": [UPGRADING]})), SourceUnavailable, TIMEOUTS.attempts),
        ((404, '{"errors":[]}'), SourceMissing, 1),
        ((404, '{"errors":["no handler for route canary"]}'), SourceMissing, 1),
        ((404, '{"data":{"data":null,"metadata":{"note":"canary"}}}'), SourceMissing, 1),
        ((405, '{"errors":["unsupported operation canary"]}'), SourceMissing, 1),
        ((503, '{"errors":["Vault is sealed"]}'), SourceSealed, 1),
        ((503, '{"errors":["canary"]}'), SourceUnavailable, TIMEOUTS.attempts),
        ((429, '{"errors":["quota canary"]}'), SourceUnavailable, TIMEOUTS.attempts),
        ((-200, '{"data":{"password":"canary"}}'), SourceUnavailable, TIMEOUTS.attempts),
        ((200, "canary"), SourceUnavailable, TIMEOUTS.attempts),
        ((200, '{"password":"canary"}'), SourceUnavailable, 1),
        ((418, "canary"), SourceUnavailable, 1),
    ],
)
def test_each_failure_has_its_name_and_shows_nothing_of_the_answer(
    script: Script, answer: tuple[int, str], error: type[SourceError], requests: int
) -> None:
    script.answers = [answer]
    with pytest.raises(SourceError) as caught:
        script.vault().read("kv/data/db")
    assert isinstance(caught.value, error)
    assert len(script.requests) == requests
    assert "canary" not in "".join(traceback.format_exception(caught.value))


def test_an_empty_folder_is_empty_and_a_missing_mount_is_missing(script: Script) -> None:
    script.answers = [(404, '{"errors":[]}')]
    assert script.vault().list("kv/metadata/")["keys"] == []
    script.answers = [(404, '{"errors":["no handler for route"]}')]
    with pytest.raises(SourceMissing):
        script.vault().list("kv/metadata/")


HASHICORP_KNOWS_NO_SUCH_PATH = json.dumps(
    {
        "request_id": "8d1b8a39-0b1f-0f3c-1d0c-000000000000",
        "lease_id": "",
        "renewable": False,
        "lease_duration": 0,
        "data": None,
        "wrap_info": None,
        "warnings": [
            "Invalid path for a versioned K/V secrets engine. See the API docs for the appropriate endpoints."
        ],
        "auth": None,
    }
)
"""The answer of HashiCorp's KV version 2 to a listing that is OpenBao's alone."""


@pytest.mark.parametrize(
    "refusal",
    [
        (403, '{"errors":["1 error occurred:\\n\\t* permission denied\\n\\n"]}'),
        (404, HASHICORP_KNOWS_NO_SUCH_PATH),
        (404, '{"errors":["no handler for route"]}'),
        (405, '{"errors":["1 error occurred:\\n\\t* unsupported operation\\n\\n"]}'),
        # The plain listing has the last word about a mount that seems to be empty.
        (404, '{"errors":[]}'),
    ],
    ids=["denied", "HashiCorp's path that is invalid", "no route", "unsupported", "empty"],
)
def test_a_mount_without_the_detailed_listing_is_listed_plainly(
    script: Script, refusal: tuple[int, str]
) -> None:
    version = {"created_time": "2026-01-01T00:00:00Z", "deletion_time": "", "destroyed": False}
    metadata = {"current_version": 1, "versions": {"1": version}}
    script.answers = [refusal, (200, '{"data":{"keys":["db"]}}'), (200, json.dumps({"data": metadata}))]
    (entry,) = Kv2Mount(script.vault(), "kv", lambda: 0.0).list()
    assert entry == Revision("kv/db", 1, "2026-01-01T00:00:00Z")
    paths = [path.partition("?")[0] for path in script.requests]
    assert paths == ["/v1/kv/detailed-metadata", "/v1/kv/metadata", "/v1/kv/metadata/db"]


def test_a_mount_that_is_empty_in_both_listings_is_empty(script: Script) -> None:
    script.answers = [(404, '{"errors":[]}')]
    assert list(Kv2Mount(script.vault(), "kv", lambda: 0.0).list()) == []
    assert len(script.requests) == 2


def test_an_invalid_path_of_hashicorps_is_not_an_empty_folder(script: Script) -> None:
    script.answers = [(404, HASHICORP_KNOWS_NO_SUCH_PATH)]
    with pytest.raises(SourceMissing):
        list(Kv2Mount(script.vault(), "kv", lambda: 0.0).list())


def test_connections_are_kept(script: Script) -> None:
    vault = script.vault()
    for _ in range(20):
        vault.read("kv/data/db")
    assert len(script.connections) == 1


def test_paths_are_sent_as_they_are(script: Script) -> None:
    script.vault().read("kv/data/my app/50%/é?#")
    assert script.requests == ["/v1/kv/data/my%20app/50%25/%C3%A9%3F%23"]


def test_a_role_without_a_password_is_refused_with_the_reason(script: Script) -> None:
    role = {"last_vault_rotation": "2026-01-01T00:00:00Z", "credential_type": "rsa_private_key"}
    answer = {"data": {**role, "username": "app", "rsa_private_key": "canary"}}
    script.answers = [(200, json.dumps(answer))]
    mount = DatabaseMount(script.vault(), Mount("database", "database"))
    with pytest.raises(ValueRefused, match="database/app has no user name and password") as caught:
        mount.fetch(Revision("database/app", 0, role["last_vault_rotation"]))
    assert "canary" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("path", ["kv1/../kv/data/db", "kv1/.", "kv1//db", "kv1/.."])
def test_a_path_that_would_lead_elsewhere_is_not_requested(script: Script, path: str) -> None:
    with pytest.raises(SourceMissing, match="not a path in Vault"):
        script.vault().read(path)
    with pytest.raises(SourceMissing, match="not a path in Vault"):
        script.vault().list(f"{path}/")
    assert script.requests == []


def test_a_token_does_not_follow_a_redirect_to_another_scheme(script: Script) -> None:
    """From https to http the same way: only the address's own scheme is spoken."""
    script.answers = [(307, "https://127.0.0.1:1/v1/kv/data/db")]
    with pytest.raises(SourceUnavailable):
        script.vault().read("kv/data/db")


def test_variables_of_other_vault_tools_are_ignored(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAULT_TOKEN", "canary-token")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    vault = script.vault()
    assert json.loads(json.dumps(vault.read("kv/data/db")))["password"] == "canary"
    assert vault.client.token == ""
