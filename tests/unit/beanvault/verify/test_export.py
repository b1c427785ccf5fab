"""Findings as plain JSON, Security Hub's format and OCSF; the page is in `test_page.py`."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

from beanvault.commands.verify import write_batches
from beanvault.verify.checks import CONTROLS
from beanvault.verify.export import asff, batches, counts, ocsf, plain
from beanvault.verify.model import Status

from .findings import FOUND, finding

NOW = dt.datetime(2026, 11, 1, 12, tzinfo=dt.UTC)
WHERE = ("shop", "aws", "eu-central-1", "123456789012", NOW)


def test_ocsf_events_have_what_their_class_requires() -> None:
    """OCSF 1.3.0, Compliance Finding: what is required, and the numbers beside their captions."""
    exported = ocsf(FOUND, *WHERE)
    for event in exported:
        assert (event["class_uid"], event["category_uid"], event["type_uid"]) == (2003, 2, 200301)
        assert {"activity_id", "time", "severity_id", "metadata", "finding_info", "compliance"} < event.keys()
        assert {"product", "version"} < event["metadata"].keys()
        assert event["compliance"]["standards"]
    assert [event["compliance"]["status_id"] for event in exported] == [1, 3, 3, 2, 99]
    assert [event["severity_id"] for event in exported] == [1, 4, 5, 1, 1]
    assert len({event["finding_info"]["uid"] for event in exported}) == len(exported)
    assert exported[0]["time"] == 1793534400000


def test_a_finding_names_the_standard_of_its_rule_and_its_page() -> None:
    exported = {each.id: (each.standard, each.reference) for each in FOUND}
    page_of = "https://docs.aws.amazon.com/securityhub/latest/userguide"
    assert exported == {
        "S3.17": ("AWS Foundational Security Best Practices", f"{page_of}/s3-controls.html#s3-17"),
        "BV.DATA2": ("beanvault", ""),
        "SEC03-BP02": ("AWS Well-Architected Framework", ""),
        "IAM.1": ("AWS Foundational Security Best Practices", f"{page_of}/iam-controls.html#iam-1"),
    }


def test_what_passes_has_no_remedy() -> None:
    assert [entry["remedy"] for entry in plain(FOUND)] == ["", *["fix it"] * 4]


def test_security_hub_gets_one_finding_each_with_a_lasting_id() -> None:
    exported = asff(FOUND, *WHERE)
    assert [entry["Compliance"]["Status"] for entry in exported] == [
        "PASSED",
        "FAILED",
        "FAILED",
        "WARNING",
        "NOT_AVAILABLE",
    ]
    assert [entry["Severity"]["Label"] for entry in exported][:3] == ["INFORMATIONAL", "HIGH", "CRITICAL"]
    later = asff(FOUND, *WHERE[:-1], NOW + dt.timedelta(days=1))
    assert [entry["Id"] for entry in later] == [entry["Id"] for entry in exported]
    assert len({entry["Id"] for entry in exported}) == len(exported)
    assert exported[0]["UpdatedAt"] == "2026-11-01T12:00:00Z"


def test_security_hub_gets_at_most_a_hundred_findings_a_file(tmp_path: Path) -> None:
    found = asff([finding(Status.PASS, f"bucket-{number}") for number in range(201)], *WHERE)
    file = tmp_path / "asff.json"
    write_batches(file, batches(found))
    names = ("asff.json", "asff-2.json", "asff-3.json")
    assert {each.name for each in tmp_path.iterdir()} == set(names)
    parts = [json.loads((tmp_path / name).read_text()) for name in names]
    assert [len(part) for part in parts] == [100, 100, 1]
    assert [each for part in parts for each in part] == found
    write_batches(file, batches(found[:7]))  # findings of an earlier run must not be imported again
    assert [each.name for each in tmp_path.iterdir()] == ["asff.json"]
    assert json.loads(file.read_text()) == found[:7]


def test_every_status_is_counted() -> None:
    assert list(counts(FOUND).values()) == [1, 2, 1, 1]


def test_controls_have_ids_of_their_own() -> None:
    ids = [control.id for control in CONTROLS]
    assert len(set(ids)) == len(ids)
    assert len(ids) > 90
