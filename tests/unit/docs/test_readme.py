"""Story of README.md.

The README's output is current.
"""

from __future__ import annotations

import re

from testbed.demo.flow import STEPS
from tests.project import ROOT
from tests.unit.docs.markdown_files import blocks


def test_the_shown_output_has_the_demos_steps() -> None:
    (shown,) = blocks((ROOT / "README.md").read_text(), "text")
    steps = re.findall(rf"^✓ (\d)/{len(STEPS)} (.+) [\d.]+ s$", shown, re.MULTILINE)
    assert [title for _, title in steps] == [title for title, _ in STEPS]
    assert [int(number) for number, _ in steps] == list(range(1, len(STEPS) + 1))
