"""What a verification is turned into for others."""

from __future__ import annotations

import datetime as dt
import json
from html.parser import HTMLParser
from pathlib import Path

import pytest

from beanvault.commands.verify import write_batches
from beanvault.verify.checks import CONTROLS
from beanvault.verify.export import asff, batches, counts, ocsf, plain
from beanvault.verify.model import Finding, Severity, Status
from beanvault.verify.page import render

NOW = dt.datetime(2026, 11, 1, 12, tzinfo=dt.UTC)
WHERE = ("shop", "aws", "eu-central-1", "123456789012", NOW)


def finding(
    status: Status,
    resource: str = "bucket",
    severity: Severity = Severity.HIGH,
    area: str = "Storage",
    control: str = "S3.17",
) -> Finding:
    return Finding(area, control, "Buckets are encrypted", severity, status, resource, "evidence", "mend it")


FOUND = [
    finding(Status.PASS, "fine"),
    finding(Status.FAIL, "<script>alert(1)</script>"),
    finding(Status.FAIL, "worst", Severity.CRITICAL, control="BV.DATA2"),
    finding(Status.UNKNOWN, "dark", area="Roles", control="SEC03-BP02"),
    finding(Status.NOT_APPLICABLE, "", area="Roles", control="IAM.1"),
]


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


def test_the_page_begins_with_what_has_to_be_mended_and_the_worst_of_it() -> None:
    told = page(FOUND)
    assert told.classes("article") == ["fail", "fail", "unknown"]
    text = "".join(told.text)
    assert (
        text.index("shop: not hardened, 2 to mend") < text.index("critical") < text.index("<script>alert(1)")
    )
    assert text.index("What fails") < text.index("What couldn't be asked") < text.index("All controls")


def test_the_page_tells_each_control_once_with_the_status_of_its_worst_resource() -> None:
    told = page(FOUND)
    assert [name for name in told.classes("tr") if name] == ["fail", "fail", "unknown", "na"]
    assert told.classes("div")[:2] == ["area has-fail", "area has-na has-unknown"]


def test_the_page_loads_nothing_runs_nothing_and_takes_nothing_for_markup() -> None:
    told = page(FOUND)
    assert not {"script", "link", "img", "iframe", "form"} & {tag for tag, _ in told.elements}
    policy = [a["content"] for tag, a in told.elements if tag == "meta" and "http-equiv" in a]
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'"]


def test_each_choice_of_the_filter_has_a_rule_of_style() -> None:
    """The page has no script: a radio button without its rule would do nothing."""
    text = render(FOUND, "shop", "eu-central-1", "123456789012", NOW)
    chosen = [a["id"] for tag, a in Parsed(text).elements if tag == "input"]
    assert chosen == ["only-all", "only-fail", "only-unknown", "only-pass", "only-na"]
    assert all(f"#{each}:checked" in text for each in chosen[1:])


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        ([finding(Status.PASS), finding(Status.NOT_APPLICABLE)], "shop: hardened"),
        ([finding(Status.PASS), finding(Status.UNKNOWN)], "shop: nothing fails, 1 unknown"),
        ([finding(Status.FAIL)], "shop: not hardened, 1 to mend"),
    ],
)
def test_only_what_was_asked_and_passed_counts_as_hardened(found: list[Finding], verdict: str) -> None:
    assert verdict in page(found).text


def test_ocsf_events_have_what_their_class_requires() -> None:
    """OCSF 1.3.0, Compliance Finding: what is required, and the numbers beside their captions."""
    told = ocsf(FOUND, *WHERE)
    for event in told:
        assert (event["class_uid"], event["category_uid"], event["type_uid"]) == (2003, 2, 200301)
        assert {"activity_id", "time", "severity_id", "metadata", "finding_info", "compliance"} < event.keys()
        assert {"product", "version"} < event["metadata"].keys()
        assert event["compliance"]["standards"]
    assert [event["compliance"]["status_id"] for event in told] == [1, 3, 3, 2, 99]
    assert [event["severity_id"] for event in told] == [1, 4, 5, 1, 1]
    assert len({event["finding_info"]["uid"] for event in told}) == len(told)
    assert told[0]["time"] == 1793534400000


def test_a_finding_names_whose_rule_it_is_and_where_that_is_explained() -> None:
    told = {each.id: (each.standard, each.reference) for each in FOUND}
    page_of = "https://docs.aws.amazon.com/securityhub/latest/userguide"
    assert told == {
        "S3.17": ("AWS Foundational Security Best Practices", f"{page_of}/s3-controls.html#s3-17"),
        "BV.DATA2": ("beanvault", ""),
        "SEC03-BP02": ("AWS Well-Architected Framework", ""),
        "IAM.1": ("AWS Foundational Security Best Practices", f"{page_of}/iam-controls.html#iam-1"),
    }


def test_what_passes_has_no_remedy() -> None:
    assert [entry["remedy"] for entry in plain(FOUND)] == ["", *["mend it"] * 4]


def test_security_hub_gets_one_finding_each_with_a_lasting_id() -> None:
    told = asff(FOUND, *WHERE)
    assert [entry["Compliance"]["Status"] for entry in told] == [
        "PASSED",
        "FAILED",
        "FAILED",
        "WARNING",
        "NOT_AVAILABLE",
    ]
    assert [entry["Severity"]["Label"] for entry in told][:3] == ["INFORMATIONAL", "HIGH", "CRITICAL"]
    later = asff(FOUND, *WHERE[:-1], NOW + dt.timedelta(days=1))
    assert [entry["Id"] for entry in later] == [entry["Id"] for entry in told]
    assert len({entry["Id"] for entry in told}) == len(told)
    assert told[0]["UpdatedAt"] == "2026-11-01T12:00:00Z"


def test_security_hub_gets_at_most_a_hundred_findings_a_file(tmp_path: Path) -> None:
    found = asff([finding(Status.PASS, f"bucket-{number}") for number in range(201)], *WHERE)
    file = tmp_path / "asff.json"
    write_batches(file, batches(found))
    names = ("asff.json", "asff-2.json", "asff-3.json")
    assert {each.name for each in tmp_path.iterdir()} == set(names)
    parts = [json.loads((tmp_path / name).read_text()) for name in names]
    assert [len(part) for part in parts] == [100, 100, 1]
    assert [each for part in parts for each in part] == found
    write_batches(file, batches(found[:7]))  # what an earlier run told must not be imported again
    assert [each.name for each in tmp_path.iterdir()] == ["asff.json"]
    assert json.loads(file.read_text()) == found[:7]


def test_every_status_is_counted() -> None:
    assert list(counts(FOUND).values()) == [1, 2, 1, 1]


def test_controls_have_ids_of_their_own() -> None:
    ids = [control.id for control in CONTROLS]
    assert len(set(ids)) == len(ids)
    assert len(ids) > 90
