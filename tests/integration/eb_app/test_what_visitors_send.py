"""Story of eb_app/web.py, eb_app/entries.py, eb_app/status.py and eb_app/protection.py.

Input of visitors is refused or rendered as text, and never logged.
"""

from __future__ import annotations

import html
import json
import logging
import re
import uuid
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from eb_app.entries import MAX_TEXT_LENGTH, PAGE_SIZE
from eb_app.logs import JsonFormatter
from eb_app.web import MAX_REQUEST_BYTES

from .conftest import World, json_of

OURS = {"Sec-Fetch-Site": "same-origin"}
CANARY = "canary-3b8d"


@pytest.fixture
def client(world: World) -> FlaskClient:
    return world.app().test_client()


def add(client: FlaskClient, text: object, **more: Any) -> Any:
    return client.post("/api/entries", json={"text": text}, **more)


def form(client: FlaskClient, text: str, key: str | None = None, headers: dict[str, str] = OURS) -> Any:
    data = {"text": text, "request_key": key or str(uuid.uuid4())}
    return client.post("/entries", data=data, headers=headers)


def test_an_entry_is_added_listed_and_deleted_on_the_page(client: FlaskClient) -> None:
    """Without a script: the form posts, and the browser is redirected to the page."""
    answer = form(client, "first words")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    page = client.get("/").text
    assert "first words" in page
    found = re.search(r'action="(/entries/\d+/delete)"', page)
    assert found
    assert client.post(found[1], headers=OURS).status_code == 303
    assert "first words" not in client.get("/").text


def test_an_entry_is_added_listed_and_deleted_over_the_api(client: FlaskClient) -> None:
    """201, 200, 204; deleting again is no error."""
    made = add(client, "first words")
    assert made.status_code == 201
    assert client.get("/api/entries").json == {"entries": [made.json]}
    for _ in range(2):
        assert client.delete(f"/api/entries/{made.json['id']}").status_code == 204
    assert client.get("/api/entries").json == {"entries": []}


@pytest.mark.parametrize(
    "text",
    [
        "'; DROP TABLE entries; -- ",
        "' OR '1'='1",
        '" ; SELECT SLEEP(5) ; #',
        "%s %(text)s :text {{ 7*7 }} {% raw %} ${7*7}",
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)> ' onmouseover=alert(1)",
        "&lt;b&gt; &amp;",
        "Grüße, 你好, שלום, 👩‍👩‍👧",
        "x" * MAX_TEXT_LENGTH,
        "😀" * MAX_TEXT_LENGTH,
    ],
)
def test_text_is_stored_unchanged_and_escaped_on_the_page(client: FlaskClient, text: str) -> None:
    """SQL, HTML and template syntax are plain text; four-byte characters are stored, too."""
    assert add(client, text).status_code == 201
    assert json_of(client.get("/api/entries"))["entries"][0]["text"] == text.strip()
    page = client.get("/").text
    assert html.escape(text.strip()).replace("&#x27;", "&#39;").replace("&quot;", "&#34;") in page
    assert "<script" not in page
    assert "<img src=x" not in page


def test_a_repeated_request_adds_one_entry(client: FlaskClient) -> None:
    """A double click or a retry; another text under the same key is a conflict."""
    key = str(uuid.uuid4())
    for _ in range(2):
        assert form(client, "once", key).status_code == 303
        assert add(client, "once", headers={"Idempotency-Key": key}).status_code == 201
    assert len(json_of(client.get("/api/entries"))["entries"]) == 1
    assert add(client, "twice", headers={"Idempotency-Key": key}).status_code == 409
    assert form(client, "twice", key).status_code == 409


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b"[" * 5000, "application/json", 400),
        (b"null", "application/json", 400),
        (b'"text"', "application/json", 400),
        (b"{}", "application/json", 400),
        (b'{"text": 7}', "application/json", 400),
        (b'{"text": ["a"]}', "application/json", 400),
        (b'{"text": "\\u0000"}', "application/json", 400),
        (b'{"text": "\\ud800"}', "application/json", 400),
        (b'{"text": "   "}', "application/json", 400),
        (b'{"text": "' + b"x" * (MAX_TEXT_LENGTH + 1) + b'"}', "application/json", 400),
        (b'{"text": "' + b"x" * MAX_REQUEST_BYTES + b'"}', "application/json", 413),
        (b"text=hello", "text/plain", 403),
    ],
)
def test_an_invalid_entry_is_refused(
    client: FlaskClient, world: World, body: bytes, content_type: str, status: int
) -> None:
    """With an error in JSON and nothing written."""
    answer = client.post("/api/entries", data=body, content_type=content_type)
    assert answer.status_code == status
    assert isinstance(json_of(answer)["error"], str)
    assert world.sql(f"SELECT COUNT(*) FROM `{world.schema}`.entries") == [(0,)]


def test_a_refused_form_shows_the_reason_and_keeps_the_text(client: FlaskClient) -> None:
    """The visitor can correct the text; a screen reader announces the reason."""
    answer = form(client, "bell\x07 <b>")
    assert answer.status_code == 400
    assert 'role="alert"' in answer.text
    assert 'aria-describedby="problem"' in answer.text
    assert "&lt;b&gt;" in answer.text
    assert form(client, "x" * (MAX_REQUEST_BYTES + 1)).status_code == 413
    assert form(client, "text", key="no uuid").status_code == 400


@pytest.mark.parametrize(
    "headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {"Origin": "null"}, {}]
)
def test_a_form_on_another_site_writes_nothing(
    client: FlaskClient, world: World, headers: dict[str, str]
) -> None:
    """Cross-site request forgery: neither adding nor deleting."""
    kept = add(client, "kept").json["id"]
    assert form(client, "forged", headers=headers).status_code == 403
    assert client.post(f"/entries/{kept}/delete", headers=headers).status_code == 403
    assert world.sql(f"SELECT text FROM `{world.schema}`.entries") == [("kept",)]


def test_pages_of_entries_follow_each_other(client: FlaskClient) -> None:
    """A response has one page of entries; an invalid page is the first one."""
    for number in range(PAGE_SIZE + 3):
        add(client, f"entry {number}")
    first = json_of(client.get("/api/entries"))["entries"]
    assert len(first) == PAGE_SIZE
    rest = json_of(client.get(f"/api/entries?before={first[-1]['id']}"))["entries"]
    assert [entry["text"] for entry in rest] == ["entry 2", "entry 1", "entry 0"]
    assert f"before={first[-1]['id']}" in client.get("/").text
    for nonsense in ("x", "-1", "0", "9" * 40, "1 OR 1=1", "%00"):
        assert json_of(client.get(f"/api/entries?before={nonsense}"))["entries"] == first


@pytest.mark.parametrize(
    "path", ["/", "/api/entries", "/api/status", "/healthz", "/readyz", "/nowhere", "/static/style.css"]
)
def test_every_answer_carries_the_security_headers(client: FlaskClient, path: str) -> None:
    """No script, no framing by other sites, no content sniffing; for errors, too."""
    headers = client.get(path).headers
    policy = dict(part.strip().partition(" ")[::2] for part in headers["Content-Security-Policy"].split(";"))
    assert policy == {
        "default-src": "'none'",  # no script from any origin
        "style-src": "'self'",
        "img-src": "'self'",
        "form-action": "'self'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
    }
    assert headers["Cross-Origin-Opener-Policy"] == headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "camera=()" in headers["Permissions-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "same-origin"
    assert ("no-store" in headers["Cache-Control"]) == (not path.startswith("/static/"))
    assert "Set-Cookie" not in headers


def test_the_page_satisfies_its_own_policy(client: FlaskClient) -> None:
    """No inline style, script or handler, and only the app's own resources."""
    add(client, "an entry")
    page = client.get("/").text
    assert not re.search(r"<style|<script|\sstyle=|\son[a-z]+=|javascript:", page)
    for address in re.findall(r'(?:src|href|action)="([^"]*)"', page):
        assert address.startswith("/"), address
        if address.startswith("/static/"):
            assert client.get(address).status_code == 200


def test_errors_are_html_on_the_page_and_json_in_the_api(client: FlaskClient) -> None:
    """Unknown addresses and methods."""
    assert client.get("/nowhere").status_code == 404
    assert "<html" in client.get("/nowhere").text
    assert client.get("/api/nowhere").json == {"error": json_of(client.get("/api/nowhere"))["error"]}
    refused = client.put("/api/entries", json={})
    assert refused.status_code == 405
    assert refused.is_json
    assert {"GET", "POST"} <= set(refused.headers["Allow"].split(", "))
    assert client.delete("/api/entries/99999999999999999999999999").status_code == 204


def test_nothing_that_a_visitor_sends_is_logged(
    client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither bodies nor URLs nor headers; errors of the database hide their parameters."""
    caplog.set_level(logging.DEBUG, "eb_app")
    add(client, CANARY)
    add(client, f"{CANARY}\x00")
    client.post("/api/entries", data=f"{{{CANARY}", content_type="application/json")
    form(client, CANARY, key=CANARY)
    client.get(f"/{CANARY}?x={CANARY}", headers={"User-Agent": CANARY, "Cookie": CANARY})
    client.get(f"/api/entries?before={CANARY}")
    lines = [json.loads(JsonFormatter().format(record)) for record in caplog.records]
    assert len([line for line in lines if line["message"] == "request"]) == 6
    assert CANARY not in json.dumps(lines)


def test_an_error_of_the_database_is_logged_without_content(
    client: FlaskClient, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """The table is missing, so every statement fails: the log has the error number, the visitor does not."""
    world.sql(f"DROP TABLE `{world.schema}`.entries")
    answer = add(client, CANARY)
    assert answer.status_code == 503
    lines = json.dumps([json.loads(JsonFormatter().format(record)) for record in caplog.records])
    assert "error 1146" in lines
    assert CANARY not in lines + answer.text


def test_an_error_of_the_database_contains_no_content(world: World) -> None:
    """Even a log of the whole error contains nothing that a visitor wrote."""
    engine = world.database(world.credentials()).engine
    with pytest.raises(DBAPIError) as raised, engine.begin() as connection:
        connection.execute(text("INSERT INTO nowhere VALUES (:text)"), {"text": CANARY})
    assert "INSERT INTO nowhere" in str(raised.value)
    assert CANARY not in str(raised.value)


def test_the_status_has_everything_except_the_password(client: FlaskClient, world: World) -> None:
    """User, version, age and each hop; headers of nginx and the load balancer only if they look like TLS."""
    answer = client.get(
        "/api/status",
        headers={
            "X-Tls-Version": "TLSv1.3",
            "X-Tls-Cipher": "TLS_AES_128_GCM_SHA256",
            "X-Amzn-Tls-Version": "TLSv1.3",
            "X-Amzn-Tls-Cipher-Suite": "<script>",
        },
    )
    current = json_of(answer)
    assert current["credential"]["user"] == current["database"]["user"] == world.blue
    assert current["credential"]["version_id"] == current["database"]["version_id"]
    assert current["credential"]["age_seconds"] >= 0
    assert current["credential"]["state"] == "current"
    assert current["database"]["tls_version"].startswith("TLSv1.")
    assert current["proxy"] == {"tls_version": "TLSv1.3", "tls_cipher": "TLS_AES_128_GCM_SHA256"}
    assert current["client"] == {"tls_version": "TLSv1.3", "tls_cipher": ""}
    assert current["instance"] == {"id": "i-1", "availability_zone": "eu-central-1a"}
    assert "password" not in answer.text
