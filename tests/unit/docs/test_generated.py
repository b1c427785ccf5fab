"""Story of scripts/docs/.

The generated pages are up to date with the code, and their tables with each other.
"""

from __future__ import annotations

import dataclasses

import pytest

from replicator.config import OPTIONAL, REQUIRED
from scripts.docs import commands, controls, variables
from scripts.docs.markdown import DESCRIPTIONS
from scripts.docs.pages import PAGES
from tests.project import ROOT


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_the_code_generates(name: str) -> None:
    """`python -m scripts.docs` updates an outdated one."""
    assert (ROOT / name).read_text() == PAGES[name]()


def test_every_command_is_recorded() -> None:
    """`scripts/record` writes the recordings, and the reference links them."""
    recorded = {path.stem for path in commands.RECORDINGS.glob("*.txt")}
    assert {"-".join(name.split()[1:]) for name, _ in commands.commands()} <= recorded


def test_every_variable_that_is_read_is_described_and_no_other() -> None:
    assert set(DESCRIPTIONS["function"]) == {*REQUIRED, *OPTIONAL}
    assert set(DESCRIPTIONS["app"]) == variables.read_by_app()
    assert set(DESCRIPTIONS["command"]) == variables.read_by_command()


def test_a_rule_without_its_property_is_found() -> None:
    """Otherwise the table could keep naming a property that a template no longer has."""
    row = next(row for row in controls.ROWS if row.ids == "EC2.15")
    controls.resolve(row)
    for wrong in ({"path": "MapPublicIpOnLunch"}, {"where": "network/*Subway"}):
        with pytest.raises(controls.PropertyNotFound):
            controls.resolve(dataclasses.replace(row, **wrong))
    with pytest.raises(controls.PropertyNotFound):
        controls.controls_of(dataclasses.replace(row, controls="EC2.999"))


def test_the_module_of_every_rule_has_its_property() -> None:
    """The module's text contains the property's name, or the statement's id."""
    for row in controls.ROWS:
        modules = [ROOT / "templates" / f"{row.module}.py", *(ROOT / "templates" / "policies").glob("*.py")]
        text = "".join(path.read_text() for path in modules)
        key = row.path.partition("#")[2] or row.path.strip("]").rpartition("[")[2]
        word = key.rpartition(" ")[2] if key.startswith("aws:") else key
        last = word if "[" in row.path or "#" in row.path else word.rpartition(".")[2]
        assert last in text, f"{row.module} doesn't name {last}"
