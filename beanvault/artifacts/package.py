"""The functions' zips: their code and its locked dependencies. The same inputs give the same bytes.

All dependencies are pure Python wheels, so that one zip runs on every Lambda runtime and architecture. `uv`
prefers a compiled wheel that fits the platform. It therefore installs for Pyodide, for which PyPI has no
compiled wheels of these packages, which leaves `py3-none-any`. A compiled library that is installed
nevertheless is refused by name here, before the function fails to import it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import uv

from ..errors import BeanvaultError, ConfigurationError
from . import deterministic_zip
from .project import require

LIMIT = 15_000_000
"""Bytes; far below Lambda's 50 MB for a direct upload. More means that something is packaged by mistake."""

INSTALL = (
    *("--require-hashes", "--no-deps", "--only-binary", ":all:"),
    *("--python-platform", "wasm32-pyodide2024"),
    # The oldest supported version: it also installs what only older versions need, which does no harm.
    *("--python-version", "3.11"),
)
INSTALL_TIMEOUT = 300

VARYING = frozenset({"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json"})
"""Files of a dist-info folder that describe the installation; METADATA and the licences are kept."""

COMPILED = frozenset({".so", ".pyd", ".dylib", ".wasm"})
FROM_RUNTIME = frozenset({"boto3", "botocore"})
"""Part of Lambda's runtime, where AWS patches them."""


class PackageError(BeanvaultError):
    """A function's zip can't be built."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a function's zip contains; paths are relative to the project."""

    folder: str
    """A package of the project, which becomes a folder at the zip's root."""
    lock: str
    distributions: tuple[str, ...] = ()
    """Which distributions of the lock; all of them when it is empty."""
    authorities: str | None = None
    """The file in the zip with the database's certificate authorities."""


RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {
        "replicator": Recipe("replicator", "requirements/function.lock"),
        "bootstrap": Recipe(
            "bootstrap", "eb_app/requirements.txt", ("pymysql",), "bootstrap/rds-global-bundle.pem"
        ),
    }
)


@dataclass(frozen=True, slots=True)
class Package:
    """A function's zip."""

    name: str
    path: Path
    sha256: str
    """Of the zip's bytes, hexadecimal."""
    size: int
    """Bytes."""


def build(project: Path, name: str, destination: Path, authorities: bytes | None = None) -> Package:
    """Build the zip of the function *name* of *project* in the folder *destination*.

    A zip that was built before from the same sources and lock is reused. A function that connects to the
    database trusts *authorities* instead of the project's file, unless they are None.

    Raises:
        ConfigurationError: the function doesn't exist, or *project* isn't a clone of the project
        PackageError: the dependencies can't be installed or aren't pure Python, or the zip is too large
    """
    recipe = RECIPES.get(name)
    if recipe is None:
        raise ConfigurationError(f"there is no function {name!r}", f"name one of {', '.join(RECIPES)}")
    require(project, (recipe.folder, recipe.lock))
    folder = project / recipe.folder
    requirements = locked((project / recipe.lock).read_text(), recipe.distributions)
    replaced = {recipe.authorities: authorities} if recipe.authorities and authorities is not None else {}
    path = destination / f"{name}-{_fingerprint(folder, requirements, replaced)[:16]}.zip"
    if not path.exists():
        destination.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=destination, prefix=f".{name}-") as scratch:
            tree = Path(scratch) / "tree"
            _install(project, requirements, tree.absolute())
            shutil.copytree(
                folder, tree / folder.name, ignore=shutil.ignore_patterns("__pycache__", "py.typed")
            )
            for file, content in replaced.items():
                (tree / file).write_bytes(content)
            _check(tree)
            finished = Path(scratch) / path.name
            deterministic_zip.write(finished, _entries(tree))
            finished.replace(path)  # an interrupted run must not leave an incomplete zip to be reused
    content = path.read_bytes()
    if len(content) > LIMIT:
        raise PackageError(
            f"{path} has {len(content):,} bytes, more than {LIMIT:,}",
            f"find what is too large: unzip -l {path}",
        )
    return Package(name, path, hashlib.sha256(content).hexdigest(), len(content))


def locked(lock: str, distributions: tuple[str, ...]) -> str:
    """Return the requirements of *distributions* with their hashes; of all when it is empty.

    Raises:
        ConfigurationError: the lock lacks one of them
    """
    entries: dict[str, list[str]] = {}
    current: list[str] = []
    for line in lock.splitlines():
        if line and not line[0].isspace() and not line.startswith(("#", "-")):
            current = entries.setdefault(line.split("==")[0].split("[")[0].strip().lower(), [])
        if not line.lstrip().startswith("#"):
            current.append(line)
    missing = [name for name in distributions if name not in entries]
    if missing:
        raise ConfigurationError(f"the lock lacks {', '.join(missing)}", "update it: ./scripts/lock")
    selected = distributions or tuple(name for name in entries if name not in FROM_RUNTIME)
    return "".join(f"{line}\n" for name in sorted(selected) for line in entries[name])


def _fingerprint(folder: Path, requirements: str, replaced: Mapping[str, bytes]) -> str:
    """Return a hash of everything that the zip depends on, including the code that builds it."""
    digest = hashlib.sha256()
    for part in (
        Path(__file__).read_bytes(),
        Path(deterministic_zip.__file__).read_bytes(),
        requirements.encode(),
        *replaced.values(),
    ):
        digest.update(hashlib.sha256(part).digest())
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(f"{path.relative_to(folder)}\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _install(project: Path, requirements: str, tree: Path) -> None:
    command = [uv.find_uv_bin(), "pip", "install", "--quiet", "--python", sys.executable]
    command += ["--target", str(tree), *INSTALL, "--requirements", "-"]
    # As pip and curl do: companies add their own authority to the system's store.
    environment = {"UV_SYSTEM_CERTS": "1", **os.environ}
    try:
        done = subprocess.run(
            command,
            env=environment,
            input=requirements,
            cwd=project,  # uv reads settings from the current folder, which can be any
            capture_output=True,
            text=True,
            timeout=INSTALL_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise PackageError(
            f"uv did not install the dependencies within {INSTALL_TIMEOUT} s",
            "check the connection to the package index, then run the command again",
        ) from error
    if done.returncode:
        raise PackageError(f"uv could not install the dependencies:\n{done.stderr.strip()}")


def _check(tree: Path) -> None:
    compiled = [str(path.relative_to(tree)) for path in sorted(tree.rglob("*")) if path.suffix in COMPILED]
    if compiled:
        raise PackageError(
            f"compiled libraries run on one Lambda runtime only: {', '.join(compiled)}",
            "pin a release of that dependency that has a py3-none-any wheel, then run ./scripts/lock",
        )


def _entries(tree: Path) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of each file of the zip."""
    for path in sorted(tree.rglob("*")):
        relative = path.relative_to(tree)
        scripts = relative.parts[0] == "bin"  # their first line names an interpreter of this machine
        varying = path.parent.name.endswith(".dist-info") and path.name in VARYING
        if path.is_file() and not scripts and not varying and relative.name != ".lock":
            yield relative.as_posix(), path.read_bytes()
