"""Deletions and rollbacks that fail once, because a test asked for it.

A test creates the file `faults/delete/STACK.LOGICAL_ID` or `faults/rollback/STACK.LOGICAL_ID` in the local
AWS's home directory (`testbed.servers.localaws` does). The next such step fails and removes the file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from .errors import ResourceFailed

REASON = 'Resource handler returned message: "the local AWS was asked to fail here"'

Step = Literal["delete", "rollback"]

_folder: Path | None = None


def read_from(home: Path) -> None:
    """Look for the files below *home*."""
    global _folder
    _folder = home / "faults"


def check(step: Step, stack: str, logical_id: str) -> None:
    """Fail if this step was asked to fail; the next one succeeds.

    Raises:
        ResourceFailed: it was
    """
    if _folder is None:
        return
    try:
        (_folder / step / f"{stack}.{logical_id}").unlink()
    except FileNotFoundError:
        return
    raise ResourceFailed(REASON)
