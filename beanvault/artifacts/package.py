"""The functions' zips: our code and its locked dependencies, the same bytes from the same inputs.

All dependencies are taken as pure Python wheels, so that one zip runs on every Lambda runtime and
architecture. `uv` prefers a compiled wheel wherever one fits the platform; it is therefore told to install
for Pyodide, for which nobody uploads compiled wheels to PyPI under these names, and what is left is
`py3-none-any`. A compiled library that comes through all the same is refused by name rather than found out
by the function.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import uv

from ..errors import BeanvaultError, ConfigurationError
from . import deterministic_zip

LIMIT = 15_000_000
"""Bytes; far below Lambda's 50 MB for a direct upload. More means that something came along by mistake."""

INSTALL = (
    *("--require-hashes", "--no-deps", "--only-binary", ":all:"),
    *("--python-platform", "wasm32-pyodide2024"),
    *(
        "--python-version",
        "3.11",
    ),  # the oldest supported: what only older Pythons need comes along, and is not in the way
)
INSTALL_TIMEOUT = 300

VARYING = frozenset({"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json"})
"""Files of a dist-info folder that tell how it was installed; METADATA and the licences stay."""

COMPILED = frozenset({".so", ".pyd", ".dylib", ".wasm"})
FROM_RUNTIME = frozenset({"boto3", "botocore"})
"""Lambda's runtime brings these; AWS patches them there."""


class PackageError(BeanvaultError):
    """A function's zip couldn't be made as it must be."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What goes into one function's zip; paths are relative to the project."""

    folder: str
    """A package of our code, kept under its own last name at the zip's root."""
    lock: str
    distributions: tuple[str, ...] = ()
    """Which of the lock's distributions; none named means all."""


RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {
        "replicator": Recipe("replicator", "requirements/function.lock"),
        "bootstrap": Recipe("bootstrap", "eb_app/requirements.txt", ("pymysql",)),
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


def build(root: Path, name: str, destination: Path) -> Package:
    """Make the zip of the function *name* from the project at *root* below the folder *destination*.

    A zip made before from the same sources and lock is taken as it is.

    Raises:
        ConfigurationError: no such function, or *root* isn't the project
        PackageError: the dependencies can't be installed, or aren't pure Python, or the zip is too large
    """
    recipe = RECIPES.get(name)
    if recipe is None:
        raise ConfigurationError(f"there is no function {name!r}", f"one of {', '.join(RECIPES)}")
    folder, lock = root / recipe.folder, root / recipe.lock
    for needed in (folder, lock):
        if not needed.exists():
            raise ConfigurationError(f"{needed} is missing", "run this in a clone of the project")
    requirements = locked(lock.read_text(), recipe.distributions)
    path = destination / f"{name}-{_fingerprint(folder, requirements)[:16]}.zip"
    if not path.exists():
        destination.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=destination, prefix=f".{name}-") as scratch:
            tree = Path(scratch) / "tree"
            _install(requirements, tree, Path(scratch) / "requirements.txt")
            shutil.copytree(
                folder, tree / folder.name, ignore=shutil.ignore_patterns("__pycache__", "py.typed")
            )
            _check(tree)
            finished = Path(scratch) / path.name
            deterministic_zip.write(finished, _entries(tree))
            finished.replace(
                path
            )  # whole or not at all: an interrupted run leaves no half zip to be taken later
    content = path.read_bytes()
    if len(content) > LIMIT:
        raise PackageError(
            f"{path} has {len(content):,} bytes, more than {LIMIT:,}", "look what it holds: unzip -l"
        )
    return Package(name, path, hashlib.sha256(content).hexdigest(), len(content))


def locked(lock: str, distributions: tuple[str, ...]) -> str:
    """Return the requirements of *distributions* with their hashes, of all of them where none is named.

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
        raise ConfigurationError(f"the lock lacks {', '.join(missing)}", "write it anew: ./scripts/lock")
    chosen = distributions or tuple(name for name in entries if name not in FROM_RUNTIME)
    return "".join(f"{line}\n" for name in sorted(chosen) for line in entries[name])


def _fingerprint(folder: Path, requirements: str) -> str:
    """Return a hash of everything the zip is made of, this recipe included."""
    digest = hashlib.sha256()
    for part in (
        Path(__file__).read_bytes(),
        Path(deterministic_zip.__file__).read_bytes(),
        requirements.encode(),
    ):
        digest.update(hashlib.sha256(part).digest())
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(f"{path.relative_to(folder)}\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _install(requirements: str, tree: Path, file: Path) -> None:
    file.write_text(requirements)
    command = [
        uv.find_uv_bin(),
        *["pip", "install", "--quiet", "--target"],
        str(tree),
        *INSTALL,
        "-r",
        str(file),
    ]
    # Like pip and curl: companies put their own authority into the system's store.
    environment = {"UV_SYSTEM_CERTS": "1", **os.environ}
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=INSTALL_TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise PackageError(
            f"uv didn't install the dependencies within {INSTALL_TIMEOUT} s",
            "check the way to the package index",
        ) from error
    if done.returncode:
        raise PackageError(f"uv couldn't install the dependencies:\n{done.stderr.strip()}")


def _check(tree: Path) -> None:
    compiled = [str(path.relative_to(tree)) for path in sorted(tree.rglob("*")) if path.suffix in COMPILED]
    if compiled:
        raise PackageError(
            f"compiled libraries would run on one runtime only: {', '.join(compiled)}",
            "pin a release of that dependency that has a py3-none-any wheel",
        )


def _entries(tree: Path) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of each file that belongs into the zip."""
    for path in sorted(tree.rglob("*")):
        relative = path.relative_to(tree)
        scripts = relative.parts[0] == "bin"  # their first line names an interpreter of this machine
        varying = path.parent.name.endswith(".dist-info") and path.name in VARYING
        if path.is_file() and not scripts and not varying and relative.name != ".lock":
            yield relative.as_posix(), path.read_bytes()
