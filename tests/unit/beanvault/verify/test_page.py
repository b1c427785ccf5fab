"""The report for a reviewer; a browser reads it in `tests/browser/test_documents.py`."""

from __future__ import annotations

import dataclasses
import datetime as dt
from html.parser import HTMLParser

import pytest

from beanvault.verify.checks import CONTROLS
from beanvault.verify.model import Finding, Status
from beanvault.verify.page import render

from .findings import FOUND, finding

NOW = dt.datetime(2026, 11, 1, 12, tzinfo=dt.UTC)


class Parsed(HTMLParser):
    """A page's elements with their attributes, and its text in order; ill-nested markup is an error."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "input", "br"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def classes(self, tag: str) -> list[str | None]:
        return [attributes.get("class") for name, attributes in self.elements if name == tag]


def page(found: list[Finding]) -> Parsed:
    return Parsed(render(found, "shop", "eu-central-1", "123456789012", NOW))


def test_the_page_begins_with_the_failures_the_most_severe_first() -> None:
    parsed = page(FOUND)
    assert parsed.classes("article") == ["fail", "fail", "unknown"]
    text = "".join(parsed.text)
    assert (
        text.index("shop: not hardened, 2 to fix") < text.index("critical") < text.index("<script>alert(1)")
    )
    assert text.index("What fails") < text.index("What couldn't be checked") < text.index("All controls")


def test_the_page_lists_each_control_once_with_the_status_of_its_worst_resource() -> None:
    parsed = page(FOUND)
    assert [name for name in parsed.classes("tr") if name] == ["fail", "fail", "unknown", "na"]
    assert parsed.classes("div")[:2] == ["area has-fail", "area has-na has-unknown"]


def test_the_page_loads_nothing_runs_nothing_and_escapes_markup() -> None:
    parsed = page(FOUND)
    assert not {"script", "link", "img", "iframe", "form"} & {tag for tag, _ in parsed.elements}
    policy = [a["content"] for tag, a in parsed.elements if tag == "meta" and "http-equiv" in a]
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'"]


def test_each_choice_of_the_filter_has_a_rule_of_style() -> None:
    """The page has no script: a radio button without its rule would do nothing."""
    text = render(FOUND, "shop", "eu-central-1", "123456789012", NOW)
    choices = [a["id"] for tag, a in Parsed(text).elements if tag == "input"]
    assert choices == ["only-all", "only-fail", "only-unknown", "only-pass", "only-na"]
    assert all(f"#{each}:checked" in text for each in choices[1:])


ALL_PASS = [finding(Status.PASS, control=control.id) for control in CONTROLS]


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        ([*ALL_PASS, finding(Status.NOT_APPLICABLE)], "shop: hardened"),
        (
            [*ALL_PASS, dataclasses.replace(finding(Status.NOT_APPLICABLE), accepted_by_config=True)],
            "shop: hardened, except for 1 accepted by the deployment file",
        ),
        ([*ALL_PASS, finding(Status.UNKNOWN)], "shop: nothing fails, 1 unknown"),
        ([*ALL_PASS, finding(Status.FAIL)], "shop: not hardened, 1 to fix"),
        (ALL_PASS[:1], f"shop: nothing fails, 1 of {len(CONTROLS)} controls checked"),
    ],
)
def test_only_a_deployment_that_meets_every_control_is_called_hardened(
    found: list[Finding], verdict: str
) -> None:
    assert verdict in page(found).text
