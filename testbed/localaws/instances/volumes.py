"""EBS volumes and snapshots as files, and the block devices of attached ones."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class BlockDevice:
    """A loop device; it exists until `handle` is closed and nothing has it mounted, also after a crash."""

    number: int
    """Its minor device number; the major one is 7."""
    handle: int

    def close(self) -> None:
        os.close(self.handle)


class VolumeStore:
    def __init__(self, home: Path) -> None:
        self._home = home

    def attach(self, volume_id: str, gibibytes: int, snapshot_id: str | None) -> BlockDevice:
        """Return the volume as a block device; a new one is empty, or has its snapshot's data."""
        self._home.mkdir(exist_ok=True, mode=0o700)
        image, snapshot = self._image(volume_id), self._image(snapshot_id or "none")
        if not image.exists() and snapshot.exists():
            self._copy(snapshot, image)
        elif not image.exists():
            with image.open("wb") as file:
                file.truncate(gibibytes * 1024**3)
        device = _run("losetup", "--find", "--show", str(image)).strip()
        handle = os.open(device, os.O_RDONLY)
        _run("losetup", "--detach", device)  # in use: the kernel detaches it when the last user is gone
        number = re.search(r"\d+$", device)
        assert number is not None  # noqa: S101 - losetup prints /dev/loopN
        return BlockDevice(int(number[0]), handle)

    def snapshot(self, volume_id: str, snapshot_id: str) -> None:
        """Keep what the volume contains now; one that was never attached is empty."""
        if self._image(volume_id).exists():
            self._copy(self._image(volume_id), self._image(snapshot_id))

    def _image(self, identifier: str) -> Path:
        return self._home / f"{identifier}.img"

    def _copy(self, source: Path, target: Path) -> None:
        _run("cp", "--sparse=always", str(source), str(target))


def require_tools() -> None:
    """Check that this machine can boot instances.

    Raises:
        OSError: it can't, and why
    """
    if os.geteuid():
        raise OSError("booting instances needs root: run the tests as root, or in a container that is")
    programs = ("ip", "losetup", "logrotate", "mkfs.xfs", "openssl", "systemctl", "unshare")
    if missing := [name for name in programs if shutil.which(name) is None]:
        raise OSError(f"booting instances needs {', '.join(missing)}: run ./scripts/setup --tests")


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, timeout=60, capture_output=True, text=True).stdout
