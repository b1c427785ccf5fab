"""Story of docs/ and README.md.

Links within the documents, and from the alarms into them, have a target.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from templates.alarms import alarms
from templates.deployment_file import read
from tests.project import ROOT
from tests.unit.docs.markdown_files import FILES, anchors, links


def broken(file: Path, text: str) -> list[str]:
    """Return the links of *text*, the content of *file*, that have no target in the project."""
    found = []
    for link in links(text):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (file.parent / name).resolve() if name else file
        if name and not target.exists():
            found.append(link)
            continue
        known = anchors(text if target == file else target.read_text()) if anchor else set()
        if anchor and anchor not in known:
            found.append(link)
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_link_within_the_project_has_a_target(file: Path) -> None:
    assert broken(file, file.read_text()) == []


def test_a_link_without_a_target_is_found() -> None:
    text = "# Here\n[a](README.md) [b](NOWHERE.md) [c](#here) [d](#there) [e](https://example.com/x)\n"
    assert broken(ROOT / "x.md", text) == ["NOWHERE.md", "#there"]


def test_every_alarm_has_its_runbook() -> None:
    """An alarm's description links a section of docs/operations.md, which has to exist when it is needed."""
    known = anchors((ROOT / "docs" / "operations.md").read_text())
    for name in ("dev", "production"):
        for alarm in alarms(read(ROOT / "config" / f"{name}.toml")):
            assert alarm.runbook in known, f"{alarm.name} names #{alarm.runbook}"


def test_every_page_of_the_documents_can_be_reached_from_the_readme() -> None:
    """Readers don't find a page without a link to it."""
    reached: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        file = waiting.pop()
        if file in reached:
            continue
        reached.add(file)
        for link in links(file.read_text()):
            target = (file.parent / link.partition("#")[0]).resolve()
            if target.suffix == ".md" and target.exists():
                waiting.append(target)
    assert [str(file.relative_to(ROOT)) for file in FILES if file not in reached] == []
