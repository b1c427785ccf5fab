"""Story of beanvault/verify/page.py and docs/architecture.svg.

The report of `verify` and the diagram of the architecture in a browser.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest

from beanvault.verify import page
from beanvault.verify.checks import AREAS
from beanvault.verify.model import Finding, Severity, Status
from testbed.demo.flow import ROOT
from testbed.servers.authority import Authority

from .barriers import violations
from .chromium import Browser, started

SCREENSHOTS = ROOT / "build" / "screenshots"
WIDTHS = (1280, 390)
SCHEMES = ("light", "dark")
HOSTILE = "<script>document.title='owned'</script>\"'&" + "x" * 300


@pytest.fixture(scope="module")
def browser(authority: Authority) -> Iterator[Browser]:
    with started(authority.ca_file) as made:
        yield made


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finding for each control, of each status in turn; one resource has the worst possible name."""
    statuses = list(Status)
    findings = [
        Finding(
            area,
            control.id,
            control.title,
            control.severity,
            statuses[number % len(statuses)],
            HOSTILE if number == 0 else f"resource-{number}",
            f"evidence {number:03}",
            control.remedy,
        )
        for number, (area, control) in enumerate(
            (area, control) for area, controls in AREAS.items() for control in controls
        )
    ]
    assert {finding.severity for finding in findings} == set(Severity)
    file = tmp_path_factory.mktemp("report") / "report.html"
    file.write_text(page.render(findings, "shop", "eu-central-1", "123456789012", dt.datetime.now(dt.UTC)))
    return file


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_the_report_is_accessible_and_self_contained(
    browser: Browser, report: Path, axe: str, width: int, scheme: str
) -> None:
    """Nothing is loaded or run, nothing is cut off on a phone, and axe finds no violation."""
    browser.resize(width, scheme=scheme)
    browser.open(report.as_uri())
    assert browser.title.startswith("shop: not hardened")
    assert browser.console() == []
    assert browser.run("return performance.getEntriesByType('resource').length") == 0
    assert browser.run("return document.scrollingElement.scrollWidth") <= width
    browser.save_screenshot(SCREENSHOTS / f"report-{width}-{scheme}.png")
    assert violations(browser, axe) == {}


def test_the_filter_of_the_report_shows_only_failures(browser: Browser, report: Path) -> None:
    browser.resize(WIDTHS[0])
    browser.open(report.as_uri())
    assert "evidence 000" in browser.text(".controls")
    browser.run("document.querySelector('#only-fail').click()")
    shown = browser.text(".controls")
    assert "evidence 001" in shown
    assert "evidence 000" not in shown
    assert HOSTILE[:20] not in shown


@pytest.mark.parametrize("scheme", SCHEMES)
def test_labels_of_the_architecture_are_inside_it_and_do_not_overlap(browser: Browser, scheme: str) -> None:
    browser.resize(WIDTHS[0], scheme=scheme)
    browser.open((ROOT / "docs" / "architecture.svg").as_uri())
    browser.save_screenshot(SCREENSHOTS / f"architecture-{scheme}.png")
    frame, *labels = browser.run(
        "return [document.documentElement, ...document.querySelectorAll('text')].map(each => {"
        "const box = each.getBoundingClientRect();"
        "return [each.tagName == 'text' ? each.textContent : '', box.left, box.top, box.right, box.bottom]})"
    )
    assert len(labels) > 10
    for label in labels:
        assert contains(frame, label), label
    # Lines of a paragraph may touch; a label that crosses another's middle is unreadable.
    assert [
        (one[0], two[0]) for one in labels for two in labels if one is not two and crosses(one, two)
    ] == []
    assert browser.console() == []


Box = tuple[str, float, float, float, float]
"""The text, and left, top, right and bottom in pixels."""


def contains(outer: Box, inner: Box) -> bool:
    return outer[1] <= inner[1] and outer[2] <= inner[2] and inner[3] <= outer[3] and inner[4] <= outer[4]


def crosses(one: Box, two: Box) -> bool:
    middle = (two[2] + two[4]) / 2
    return one[1] < two[3] and two[1] < one[3] and one[2] < middle < one[4]
