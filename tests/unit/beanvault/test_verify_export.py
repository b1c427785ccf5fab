"""What a verification is turned into for others."""

from __future__ import annotations

import datetime as dt
from html.parser import HTMLParser

from beanvault.verify.export import asff, counts, page, plain
from beanvault.verify.model import Finding, Severity, Status
from beanvault.verify.run import CONTROLS

NOW = dt.datetime(2026, 11, 1, 12, tzinfo=dt.UTC)


def finding(status: Status, resource: str = "bucket", severity: Severity = Severity.HIGH) -> Finding:
    return Finding("S3.17", "Buckets are encrypted", severity, status, resource, "evidence", "mend it")


FOUND = [
    finding(Status.PASS, "fine"),
    finding(Status.FAIL, "<script>alert(1)</script>"),
    finding(Status.FAIL, "worst", Severity.CRITICAL),
    finding(Status.UNKNOWN, "dark"),
    finding(Status.NOT_APPLICABLE, ""),
]


class Rows(HTMLParser):
    """The first cell of each row, and any element that has no place there."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.cells: list[list[str]] = []
        self.tags: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002 - the parser's
        self.tags.add(tag)
        if tag == "tr":
            self.cells.append([])
        if tag == "td":
            self.cells[-1].append("")

    def handle_data(self, data: str) -> None:
        if self.cells and self.cells[-1]:
            self.cells[-1][-1] += data


def test_the_page_tells_the_worst_first_and_needs_nothing_else() -> None:
    text = page(FOUND, "shop", "eu-central-1", "123456789012", NOW)
    rows = Rows(text)
    told = [(cells[0], cells[4]) for cells in rows.cells if cells]
    assert told == [
        ("fail", "worst"),
        ("fail", "<script>alert(1)</script>"),
        ("unknown", "dark"),
        ("pass", "fine"),
        ("not applicable", ""),
    ]
    assert not {"script", "link", "img", "iframe"} & rows.tags
    assert "http" not in text


def test_what_passes_has_no_remedy() -> None:
    assert [entry["remedy"] for entry in plain(FOUND)] == ["", *["mend it"] * 4]


def test_security_hub_gets_one_finding_each_with_a_lasting_id() -> None:
    told = asff(FOUND, "shop", "aws", "eu-central-1", "123456789012", NOW)
    assert [entry["Compliance"]["Status"] for entry in told] == [
        "PASSED",
        "FAILED",
        "FAILED",
        "WARNING",
        "NOT_AVAILABLE",
    ]
    assert [entry["Severity"]["Label"] for entry in told][:3] == ["INFORMATIONAL", "HIGH", "CRITICAL"]
    later = asff(FOUND, "shop", "aws", "eu-central-1", "123456789012", NOW + dt.timedelta(days=1))
    assert [entry["Id"] for entry in later] == [entry["Id"] for entry in told]
    assert len({entry["Id"] for entry in told}) == len(told)
    assert told[0]["UpdatedAt"] == "2026-11-01T12:00:00Z"


def test_every_status_is_counted() -> None:
    assert list(counts(FOUND).values()) == [1, 2, 1, 1]


def test_controls_have_ids_of_their_own() -> None:
    ids = [control.id for control in CONTROLS]
    assert len(set(ids)) == len(ids)
    assert len(ids) > 60
