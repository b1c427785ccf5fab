"""The source bundle holds what Beanstalk needs and nothing else."""

from __future__ import annotations

import hashlib
import os
import shutil
import zipfile
from pathlib import Path

import pytest

from beanvault.artifacts.bundle import FILES, FOLDERS, Bundle, BundleError, build
from beanvault.errors import ConfigurationError
from tests.project import ROOT


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the parts of the project that the bundle is made of."""
    root = tmp_path / "project"
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, root / folder)
    for file in FILES:
        (root / file).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / file, root / file)
    return root


def names(bundle: Bundle) -> set[str]:
    with zipfile.ZipFile(bundle.path) as archive:
        return set(archive.namelist())


def test_the_bundle_has_the_layout_that_beanstalk_expects(tmp_path: Path) -> None:
    """The root holds app, extensions, platform files, Procfile and locked requirements; nothing else."""
    bundle = build(ROOT, tmp_path / "bundle.zip")
    found = names(bundle)
    assert {name.split("/")[0] for name in found} == {
        "eb_app",
        ".ebextensions",
        ".platform",
        "Procfile",
        "requirements.txt",
    }
    assert {
        "eb_app/application.py",
        "eb_app/certs/rds-global-bundle.pem",
        "eb_app/templates/page.html",
    } <= found
    assert {name for name in found if name.startswith(".ebextensions/")} == {
        ".ebextensions/10-app.config",
        ".ebextensions/20-log.config",
        ".ebextensions/30-migrate.config",
    }
    with zipfile.ZipFile(bundle.path) as archive:
        assert b"--hash=sha256:" in archive.read("requirements.txt")
    assert bundle.size == bundle.path.stat().st_size
    assert bundle.sha256 == hashlib.sha256(bundle.path.read_bytes()).hexdigest()


def test_two_copies_of_the_project_make_the_same_bundle(project: Path, tmp_path: Path) -> None:
    """Where the project lies, when its files were written and what ran in it makes no difference."""
    here = build(ROOT, tmp_path / "here.zip")
    (project / "eb_app" / "__pycache__").mkdir(exist_ok=True)
    (project / "eb_app" / "__pycache__" / "web.cpython-311.pyc").write_bytes(b"stale")
    for path in project.rglob("*"):
        os.utime(path, (0, 0))
    assert build(project, tmp_path / "there.zip").sha256 == here.sha256


def test_hooks_can_be_executed_and_nothing_else(tmp_path: Path) -> None:
    """Beanstalk runs hooks with the mode that they have in the zip."""
    bundle = build(ROOT, tmp_path / "bundle.zip")
    with zipfile.ZipFile(bundle.path) as archive:
        executable = {entry.filename for entry in archive.infolist() if entry.external_attr >> 16 & 0o111}
    hooks = {
        name for name in names(bundle) if name.startswith((".platform/hooks/", ".platform/confighooks/"))
    }
    assert executable == hooks != set()


def test_caches_and_editor_files_are_left_out(project: Path, tmp_path: Path) -> None:
    """Python's caches and macOS's folder files are no part of the app."""
    (project / "eb_app" / "templates" / ".DS_Store").write_bytes(b"")
    (project / "eb_app" / "migrations" / "__pycache__").mkdir(exist_ok=True)
    (project / "eb_app" / "migrations" / "__pycache__" / "env.cpython-311.pyc").write_bytes(b"")
    found = names(build(project, tmp_path / "bundle.zip"))
    assert not [name for name in found if "__pycache__" in name or name.endswith((".DS_Store", ".pyc"))]


@pytest.mark.parametrize(
    "content", ["-----BEGIN EC PRIVATE KEY-----\n", "[default]\naws_secret_access_key = canary\n"]
)
def test_a_forgotten_key_stops_the_build(project: Path, tmp_path: Path, content: str) -> None:
    """A private key or AWS credentials never leave this machine in a bundle; the error doesn't show them."""
    (project / "eb_app" / "forgotten").write_text(content)
    with pytest.raises(BundleError, match="eb_app/forgotten") as raised:
        build(project, tmp_path / "bundle.zip")
    assert "canary" not in str(raised.value)
    assert list(tmp_path.glob("*.zip")) == list(tmp_path.glob(".*zip*")) == []


def test_a_link_is_refused(project: Path, tmp_path: Path) -> None:
    """A link could bring along any file of this machine."""
    (project / "eb_app" / "link").symlink_to("/etc/hostname")
    with pytest.raises(BundleError, match="symbolic link"):
        build(project, tmp_path / "bundle.zip")


def test_a_folder_that_is_not_the_project_is_named(tmp_path: Path) -> None:
    """Everything that is missing is named at once."""
    with pytest.raises(ConfigurationError, match=r"eb_app, .*Procfile"):
        build(tmp_path, tmp_path / "bundle.zip")


def test_authorities_of_the_deployment_take_the_place_of_rdss(tmp_path: Path) -> None:
    """And nothing else changes."""
    bundles = [build(ROOT, tmp_path / "one.zip"), build(ROOT, tmp_path / "two.zip", b"-----theirs-----")]
    one, two = ({name: _read(bundle, name) for name in names(bundle)} for bundle in bundles)
    assert one.keys() == two.keys()
    assert {name for name in one if one[name] != two[name]} == {"eb_app/certs/rds-global-bundle.pem"}
    assert two["eb_app/certs/rds-global-bundle.pem"] == b"-----theirs-----"


def _read(bundle: Bundle, name: str) -> bytes:
    with zipfile.ZipFile(bundle.path) as archive:
        return archive.read(name)
