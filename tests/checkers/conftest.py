"""The checkers, installed apart from the project and pinned, and the templates they check.

checkov pins another boto3 and cdk-nag comes from npm, so both are installed in `.checkers/`, and again
when a lock changes.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from templates.suppressions import suppressions
from testbed.servers.process import require_tool
from tests.project import ROOT
from tests.unit.templates.renders import CONFIGURATIONS, layers, resolve, resources

HERE = Path(__file__).parent
HOME = ROOT / ".checkers"


@dataclass(frozen=True, slots=True)
class Renders:
    """All templates of all configurations as files, and what they suppress."""

    folder: Path
    templates: Mapping[str, Mapping[str, Any]]
    """By file name without its ending."""

    @property
    def files(self) -> list[str]:
        """The paths of all templates."""
        return [str(self.folder / f"{name}.json") for name in self.templates]

    def suppressed(self) -> Iterator[tuple[str, str, str, str]]:
        """Yield (template, resource, rule, reason)."""
        for name, template in self.templates.items():
            for resource, rule, reason in suppressions(template):
                yield name, resource, rule, reason


@pytest.fixture(scope="session")
def renders(tmp_path_factory: pytest.TempPathFactory) -> Renders:
    """Every layer of every configuration, as JSON."""
    folder = tmp_path_factory.mktemp("renders")
    templates = {
        f"{configuration}-{layer}": template
        for configuration in CONFIGURATIONS
        for layer, template in layers(configuration).items()
        if template["Resources"]
    }
    for name, template in templates.items():
        (folder / f"{name}.json").write_text(json.dumps(template))
    return Renders(folder, templates)


@pytest.fixture(scope="session")
def policies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every identity-based policy of every configuration, as one file each, with its references resolved."""
    folder = tmp_path_factory.mktemp("policies")
    for configuration in CONFIGURATIONS:
        for layer, name, properties in resources(configuration, "AWS::IAM::ManagedPolicy"):
            document = resolve(properties["PolicyDocument"], configuration, layer)
            (folder / f"{configuration}-{layer}-{name}.json").write_text(json.dumps(document))
    return folder


@pytest.fixture(scope="session")
def python() -> Path:
    """The interpreter of the environment that holds the Python checkers."""
    return _environment("python", "checkers.lock")


@pytest.fixture(scope="session")
def ministack() -> Path:
    """The interpreter of the environment that holds ministack."""
    return _environment("ministack", "ministack.lock")


def _environment(name: str, lock_name: str) -> Path:
    environment = HOME / name
    lock = ROOT / "requirements" / lock_name

    def install() -> None:
        uv = str(Path(sys.executable).parent / "uv")
        run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(environment)])
        run(
            [uv, "pip", "install", "--quiet", "--require-hashes", "-r", str(lock)],
            VIRTUAL_ENV=str(environment),
        )

    _once(environment, lock, install)
    return environment / "bin" / "python"


@pytest.fixture(scope="session")
def nag() -> Path:
    """The script that runs cdk-nag, beside its npm packages."""
    npm = require_tool("npm")
    home = HOME / "npm"

    def install() -> None:
        home.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, home / name)
        run([npm, "ci", "--prefix", str(home), "--ignore-scripts", "--no-audit", "--no-fund"])

    _once(home, HERE / "package-lock.json", install)
    # Node looks for packages from where the script lies.
    return Path(shutil.copy(HERE / "nag.mjs", home / "nag.mjs"))


def run(command: Sequence[str], **environment: str) -> str:
    """Run a program and return what it printed; a failure shows what it complained about."""
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=300, env=os.environ | environment, check=False
    )
    assert done.returncode == 0, f"{command[0]} failed:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def _once(home: Path, lock: Path, install: Any) -> None:
    stamp = home / ".lock-digest"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != digest:
        install()
        stamp.write_text(digest)
