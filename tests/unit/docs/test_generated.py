"""The generated pages say what the code says."""

from __future__ import annotations

import dataclasses

import pytest

from replicator.config import OPTIONAL, REQUIRED
from scripts.docs import commands, controls, variables
from scripts.docs.markdown import DESCRIPTIONS, ROOT
from scripts.docs.pages import PAGES


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_the_code_generates(name: str) -> None:
    """A stale one is renewed by `python -m scripts.docs`."""
    assert (ROOT / name).read_text() == PAGES[name]()


def test_every_command_is_recorded() -> None:
    """`scripts/record` makes them; the reference links them."""
    recorded = {path.stem for path in commands.RECORDINGS.glob("*.txt")}
    assert {"-".join(name.split()[1:]) for name, _ in commands.commands()} <= recorded


def test_every_variable_that_is_read_is_described_and_no_other() -> None:
    assert set(DESCRIPTIONS["function"]) == {*REQUIRED, *OPTIONAL}
    assert set(DESCRIPTIONS["app"]) == variables.read_by_app()
    assert set(DESCRIPTIONS["command"]) == variables.read_by_command()


def test_a_control_that_leads_to_no_property_is_found() -> None:
    """Otherwise the table could go on leading to what a template has long lost."""
    row = next(row for row in controls.ROWS if row.ids == "EC2.15")
    controls.resolve(row)
    for wrong in ({"path": "MapPublicIpOnLunch"}, {"where": "network/*Subway"}):
        with pytest.raises(controls.PropertyNotFound):
            controls.resolve(dataclasses.replace(row, **wrong))
    with pytest.raises(controls.PropertyNotFound):
        controls.controls_of(dataclasses.replace(row, controls="EC2.999"))


def test_every_control_leads_into_the_module_it_names() -> None:
    """The module's text names the property, or the statement's id."""
    for row in controls.ROWS:
        modules = [ROOT / "templates" / f"{row.module}.py", *(ROOT / "templates" / "policies").glob("*.py")]
        text = "".join(path.read_text() for path in modules)
        key = row.path.partition("#")[2] or row.path.strip("]").rpartition("[")[2]
        word = key.rpartition(" ")[2] if key.startswith("aws:") else key
        last = word if "[" in row.path or "#" in row.path else word.rpartition(".")[2]
        assert last in text, f"{row.module} doesn't name {last}"
