"""docs/design.md: who may import whom, where a module's tests are found, and one class name for one thing."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.project import ROOT

PRODUCT = ("replicator", "bootstrap", "eb_app", "templates", "beanvault")
"""What is deployed, and what an operator runs."""
TESTBED = ("testbed/localaws", "testbed/servers", "testbed/demo", "testbed/benchmarks")
ANY = "all"
OURS = frozenset({*PRODUCT, *TESTBED, "scripts", "tests", "testbed"})
PATH = re.compile(r"[\w.-]+(?:/[\w.-]+)*/?")


@cache
def tracked(pattern: str = "*.py") -> tuple[str, ...]:
    """Return the project's files that Git tracks, or would: what lies around by chance is none."""
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard", pattern]
    found = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    return tuple(sorted(name for name in found if (ROOT / name).exists()))


def package_of(path: str) -> str:
    """Return the row of the table that *path* belongs to: its first folder, below testbed/ the first two."""
    parts = path.split("/")
    return "/".join(parts[:2]) if parts[0] == "testbed" and len(parts) > 2 else parts[0]


@cache
def parsed(path: str) -> ast.Module:
    return ast.parse((ROOT / path).read_text())


def imports(path: str, text: str | None = None) -> Iterator[str]:
    """Yield each module that *path* imports, by its absolute name."""
    for node in ast.walk(parsed(path) if text is None else ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = path.removesuffix(".py").split("/")[: -node.level] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


@cache
def imported_packages() -> dict[str, tuple[set[str], set[str]]]:
    """Return what each package imports: packages of the project, and distributions of others."""
    found: dict[str, tuple[set[str], set[str]]] = defaultdict(lambda: (set(), set()))
    for path in tracked():
        package = package_of(path)
        for module in imports(path):
            top = module.split(".")[0]
            if top in OURS:
                other = package_of("/".join([*module.split("."), ""]))
                if other != package:
                    found[package][0].add(other)
            elif top not in sys.stdlib_module_names and not top.startswith("mypy_boto3_"):
                found[package][1].add(top)
    return found


@cache
def table() -> dict[str, tuple[set[str], set[str]]]:
    """Return the table of docs/design.md: folder to what it may import, ours and others'."""
    text = (ROOT / "docs" / "design.md").read_text()
    section = text.split("## Packages\n")[1].split("\n## ")[0]
    rows: dict[str, tuple[set[str], set[str]]] = {}
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) == 6 and cells[1].startswith("`"):
            ours, others = (
                {ANY} if cell == ANY else set(re.findall(r"`([^`]+?)/?`", cell)) for cell in cells[3:5]
            )
            rows[cells[1].strip("`").rstrip("/")] = (ours, others)
    return rows


def test_the_table_has_a_row_for_each_package() -> None:
    assert {package for package in map(package_of, tracked()) if package != "docs"} - {"testbed"} <= {
        *table()
    }


@pytest.mark.parametrize("package", sorted(table()))
def test_a_package_imports_what_the_table_says(package: str) -> None:
    """Exactly that: a row that allows what nothing needs is out of date."""
    allowed = table()[package]
    for found, may in zip(imported_packages()[package], allowed, strict=True):
        assert may == {ANY} or found == may


def test_the_product_never_imports_the_testbed() -> None:
    """Nor the tests or scripts, by whatever table."""
    for package in PRODUCT:
        assert not {other.split("/")[0] for other in imported_packages()[package][0]} & {
            "testbed",
            "tests",
            "scripts",
        }


def test_an_import_of_the_testbed_would_be_seen() -> None:
    """The control: absolute and relative, at the top and in a function."""
    text = "import testbed.localaws\n\ndef late():\n    from ..testbed.servers import openbao\n"
    assert [*imports("beanvault/aws.py", text)] == ["testbed.localaws", "testbed.servers.openbao"]


# Tests are found from the code


def story_of(path: str) -> set[str]:
    """Return the files and folders that the first line of a test file names and that exist."""
    docstring = ast.get_docstring(parsed(path)) or ""
    first = docstring.split("\n\n")[0]
    names = (name.rstrip(".") for name in PATH.findall(first))
    return {name for name in names if ("/" in name or name.endswith(".md")) and (ROOT / name).exists()}


def mirrored(path: str) -> str | None:
    """Return the module or package that the place and name of a test file stand for, if there is one."""
    parts = path.split("/")
    base = "/".join([*parts[2:-1], parts[-1].removeprefix("test_").removesuffix(".py")])
    return next((name for name in (f"{base}.py", base) if (ROOT / name).exists()), None)


TEST_FILES = tuple(name for name in tracked() if re.fullmatch(r"tests/.*/test_\w+\.py", name))
MODULES = tuple(
    name
    for name in tracked()
    if name.startswith((*(f"{package}/" for package in PRODUCT), "testbed/"))
    and not name.endswith(("__init__.py", "__main__.py"))
)


@pytest.mark.parametrize("path", TEST_FILES)
def test_a_test_file_mirrors_a_module_or_names_its_modules(path: str) -> None:
    assert mirrored(path) or story_of(path), (
        f"{path}: place it as its module's, or name the modules in its first line"
    )


TOO_WIDE = frozenset({*PRODUCT, "testbed", "testbed/localaws"})
"""Folders whose name in a first line leads to no module in particular."""


def modules_without_tests(modules: Iterable[str]) -> list[str]:
    """Return those that no test file mirrors and no first line names, itself or the folder it lies in."""
    mirrors = {mirrored(path) for path in TEST_FILES}
    named = {name.rstrip("/") for path in TEST_FILES for name in story_of(path)} - TOO_WIDE
    return [
        name
        for name in modules
        if name not in mirrors | named and str(Path(name).parent) not in mirrors | named
    ]


def test_each_module_has_a_test_file_that_is_found() -> None:
    assert modules_without_tests(MODULES) == []


def test_a_module_without_tests_would_be_found() -> None:
    """The control: a folder of a package, or a whole package in a first line, covers no new module."""
    new = ["replicator/new.py", "templates/new.py", "beanvault/new.py", "testbed/localaws/new.py"]
    assert modules_without_tests(new) == new


# One name, one meaning


def test_a_class_name_means_one_thing() -> None:
    """Across product and test bed, private classes of a module included."""
    places: dict[str, list[str]] = defaultdict(list)
    for path in tracked():
        if path.startswith(("tests/", "docs/")):
            continue
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(path)
    assert {name: where for name, where in places.items() if len(where) > 1} == {}
