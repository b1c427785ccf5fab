"""The build backend: setuptools for the editable install of a clone, which is the only one that works.

The commands package the functions and the app from the clone, and its folders (`templates`, `replicator`, …)
would be top-level packages in everybody's environment.
"""

from __future__ import annotations

from typing import NoReturn

from setuptools.build_meta import (  # type: ignore[import-untyped]  # it has no stubs
    build_editable,
    get_requires_for_build_editable,
    prepare_metadata_for_build_editable,
)

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "prepare_metadata_for_build_editable",
]

MESSAGE = "beanvault is used from a clone of the project: run ./scripts/setup there, then .venv/bin/beanvault"


def build_wheel(*_: object, **__: object) -> NoReturn:
    raise SystemExit(MESSAGE)


def build_sdist(*_: object, **__: object) -> NoReturn:
    raise SystemExit(MESSAGE)
