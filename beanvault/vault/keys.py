"""What initialising a Vault gives, and the file it is kept in."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from ..errors import ConfigurationError

ROOM = 1 << 20
"""Bytes; more than 255 shares encrypted for their holders take."""


@dataclass(frozen=True, slots=True)
class Keys:
    """What initialising a Vault gives, once and never again."""

    root_token: str = field(repr=False)
    keys: tuple[str, ...] = field(repr=False)
    """Base64; the unseal keys, or the recovery keys where another seal (AWS KMS) unseals. PGP-encrypted if
    asked.
    """
    recovery: bool = False
    encrypted: bool = False
    """Whether the keys are; the root token may be without them, and they without it."""
    root_encrypted: bool = False

    def as_json(self) -> str:
        """Return them for a file of their own; nothing else may take this."""
        return json.dumps(
            {
                "root_token": self.root_token,
                "recovery_keys" if self.recovery else "unseal_keys": list(self.keys),
                "pgp_encrypted": self.encrypted,
                "root_token_pgp_encrypted": self.root_encrypted,
            },
            indent=2,
        )

    @classmethod
    def read(cls, path: Path) -> Keys:
        """Return the keys in a file written before.

        Raises:
            ConfigurationError: it isn't such a file
        """
        try:
            raw = json.loads(path.read_text())
            recovery = "recovery_keys" in raw
            keys = tuple(raw["recovery_keys" if recovery else "unseal_keys"])
            root_encrypted = raw.get("root_token_pgp_encrypted", False)
            return cls(raw["root_token"], keys, recovery, raw["pgp_encrypted"], root_encrypted)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigurationError(
                f"{path} holds no Vault keys ({type(error).__name__})", "name the file `vault init` wrote"
            ) from None


@dataclass(frozen=True, slots=True)
class KeyFile:
    """A file of mode 600 that is there, with room on the disk, before there is anything to put into it.

    Vault tells its keys once. A directory that can't be written, or a full disk, must therefore be found out
    before, not after.
    """

    path: Path
    _file: TextIO = field(repr=False)

    @classmethod
    def reserve(cls, path: Path) -> KeyFile:
        """Make the file, and fill it with spaces.

        Raises:
            ConfigurationError: it exists, or can't be written
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            opened = os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w")
        except FileExistsError:
            raise ConfigurationError(
                f"{path} exists; it may hold the only keys of a Vault", "name another file"
            ) from None
        except OSError as error:
            raise _unwritable(path, error) from error
        made = cls(path, opened)
        try:
            made._write(" " * ROOM)
        except OSError as error:
            made.release()
            raise _unwritable(path, error) from error
        return made

    def keep(self, keys: Keys) -> None:
        """Write *keys*, and return when they are on the disk.

        Raises:
            OSError: they may not be
        """
        self._write(keys.as_json())
        self._file.close()

    def release(self) -> None:
        """Remove the file, as there is nothing to put into it."""
        with suppress(OSError):  # closing tries once more to write what couldn't be written
            self._file.close()
        self.path.unlink(missing_ok=True)

    def _write(self, text: str) -> None:
        self._file.seek(0)
        self._file.write(text)
        self._file.truncate()
        self._file.flush()
        os.fsync(self._file.fileno())


def _unwritable(path: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(f"{path} can't be written: {error.strerror}", "name another file")
