"""The project: the clone whose files are packaged."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..errors import ConfigurationError

ROOT = Path(__file__).resolve().parents[2]
"""The clone that this code lies in."""


def require(project: Path, names: Iterable[str]) -> None:
    """Refuse a folder that isn't a clone of the project.

    Raises:
        ConfigurationError: *project* lacks some of *names*, all of which are in the message
    """
    missing = [name for name in names if not (project / name).exists()]
    if missing:
        raise ConfigurationError(
            f"{project} is not a clone of the project: it lacks {', '.join(missing)}",
            "name the folder of a clone with --project, or set BEANVAULT_PROJECT",
        )
