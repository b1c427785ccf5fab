"""Story of replicator/contract/.

The contract is of the standard library alone, so that other packages import it without boto3 and hvac.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

import replicator
from replicator import contract

CONTRACT = Path(contract.__file__).parent
FILES = (*sorted(CONTRACT.glob("*.py")), Path(replicator.__file__), CONTRACT.parent / "errors.py")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(CONTRACT.parent)))
def test_only_the_standard_library_and_the_contract_are_imported(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            assert {alias.name.partition(".")[0] for alias in node.names} <= sys.stdlib_module_names
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            assert str(node.module).partition(".")[0] in sys.stdlib_module_names
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 1 or node.module == "errors", f"{path.name} imports ..{node.module}"
