"""Story of README.md.

The README's output and the platform in the documents are current.
"""

from __future__ import annotations

import re

from templates.aws_versions import PLATFORM
from testbed.demo.flow import STEPS
from tests.project import ROOT
from tests.unit.docs.markdown_files import FILES, blocks


def test_the_shown_output_has_the_demos_steps() -> None:
    (shown,) = blocks((ROOT / "README.md").read_text(), "text")
    steps = re.findall(rf"^✓ (\d)/{len(STEPS)} (.+) [\d.]+ s$", shown, re.MULTILINE)
    assert [title for _, title in steps] == [title for title, _ in STEPS]
    assert [int(number) for number, _ in steps] == list(range(1, len(STEPS) + 1))


def test_documents_name_the_platform_that_the_templates_use() -> None:
    """`eb init` rejects an outdated platform."""
    named = {
        platform
        for file in FILES
        for platform in re.findall(r"64bit Amazon Linux 2023 v[\d.]+ running Python [\d.]+", file.read_text())
    }
    assert named == {PLATFORM.in_use}
