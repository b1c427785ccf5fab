"""The functions' zips, made with the real locks."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from beanvault.artifacts import package
from beanvault.errors import ConfigurationError
from tests.project import ROOT


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> package.Package:
    return package.build(ROOT, "replicator", tmp_path_factory.mktemp("build"))


def test_the_same_inputs_make_the_same_bytes(made: package.Package, tmp_path: Path) -> None:
    again = package.build(ROOT, "replicator", tmp_path)
    assert (again.sha256, again.size) == (made.sha256, made.size)
    assert again.path.name == made.path.name


def test_it_holds_our_code_and_pure_dependencies_and_nothing_of_this_machine(made: package.Package) -> None:
    with zipfile.ZipFile(made.path) as archive:
        names = archive.namelist()
        everything = b"".join(archive.read(name) for name in names)
    top = {name.split("/")[0] for name in names}
    assert {"replicator", "hvac", "aws_lambda_powertools", "requests"} <= top
    assert not {"boto3", "botocore", "bin"} & top
    assert "replicator/handler.py" in names
    assert not [name for name in names if name.endswith((".so", ".pyc")) or "__pycache__" in name]
    assert not [name for name in names if name.rpartition("/")[2] in package.VARYING]
    assert str(ROOT).encode() not in everything
    assert made.size < package.LIMIT


def test_it_runs_without_anything_else_but_what_the_runtime_brings(
    made: package.Package, tmp_path: Path
) -> None:
    """With the zip, boto3 and the standard library alone on the path, in a process of its own."""
    with zipfile.ZipFile(made.path) as archive:
        archive.extractall(tmp_path)
    program = (
        "import sys, importlib.util as u, boto3;"
        "site = [p for p in sys.path if p.endswith('site-packages')];"
        "sys.path[:] = [sys.argv[1], *[p for p in sys.path if p not in site]];"
        "import hvac, requests, charset_normalizer, replicator.vault, replicator.vault_login;"
        "print(*{m.__file__ for m in (hvac, requests, charset_normalizer, replicator.vault)})"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", program, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert all(path.startswith(str(tmp_path)) for path in done.stdout.split())


def test_an_unknown_function_and_a_missing_project_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no function 'other'"):
        package.build(ROOT, "other", tmp_path)
    with pytest.raises(ConfigurationError, match="lacks replicator, requirements"):
        package.build(tmp_path, "replicator", tmp_path / "build")


def test_the_bootstrap_has_the_authorities_of_the_deployment(tmp_path: Path) -> None:
    """RDS's, unless the deployment names others; a zip with others is another zip."""

    def trusted(built: package.Package) -> bytes:
        with zipfile.ZipFile(built.path) as archive:
            return archive.read("bootstrap/rds-global-bundle.pem")

    plain = package.build(ROOT, "bootstrap", tmp_path)
    theirs = package.build(ROOT, "bootstrap", tmp_path, b"-----theirs-----")
    assert trusted(plain) == (ROOT / "eb_app/certs/rds-global-bundle.pem").read_bytes()
    assert trusted(theirs) == b"-----theirs-----"
    assert plain.path != theirs.path
    assert package.build(ROOT, "bootstrap", tmp_path).sha256 == plain.sha256
