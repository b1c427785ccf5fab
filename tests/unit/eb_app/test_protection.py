"""Cross-site requests are distinguished from the app's own."""

from __future__ import annotations

import pytest
from flask import Flask, request

from eb_app.protection import is_forged

APP = Flask(__name__)


def forged(
    method: str = "POST", content_type: str = "application/x-www-form-urlencoded", **headers: str
) -> bool:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with APP.test_request_context(
        "/entries", method=method, base_url="https://app.example", content_type=content_type, headers=named
    ):
        return is_forged(request)


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none", "anything"])
def test_a_browser_that_names_another_site_is_refused(site: str) -> None:
    """A sibling below the same domain is another site, too; only the app itself can send its forms."""
    assert forged(Sec_Fetch_Site=site)
    assert forged(Sec_Fetch_Site=site, content_type="application/json")
    assert forged("DELETE", Sec_Fetch_Site=site)


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "https://app.example.evil.example", "", "http://["]
)
def test_the_origin_of_an_older_browser_is_checked(origin: str) -> None:
    """`Origin: null` is what a sandboxed frame sends."""
    assert forged(Origin=origin)


def test_the_apps_own_forms_are_accepted() -> None:
    """With either header; the port is ignored, because the platform's nginx drops it."""
    assert not forged(Sec_Fetch_Site="same-origin")
    assert not forged(Origin="https://app.example")
    assert not forged(Origin="https://app.example:8443")


def test_a_form_without_an_origin_is_refused() -> None:
    """Every browser since 2020 sends it."""
    assert forged()
    assert forged(content_type="text/plain")
    assert forged(content_type="multipart/form-data; boundary=x")


def test_requests_of_programs_are_accepted() -> None:
    """A page of another site can't send JSON or DELETE without a preflight."""
    assert not forged(content_type="application/json")
    assert not forged("DELETE")


def test_a_get_request_is_never_refused() -> None:
    """Links from other sites work."""
    assert not forged("GET", Sec_Fetch_Site="cross-site")
