"""The keys that initialising a Vault returns, and the file for them."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from ..errors import ConfigurationError

RESERVED_BYTES = 1 << 20
"""Enough for 255 shares encrypted for their holders."""


@dataclass(frozen=True, slots=True)
class Keys:
    """What initialising a Vault returns, once and never again."""

    root_token: str = field(repr=False)
    keys: tuple[str, ...] = field(repr=False)
    """Base64: the unseal keys, or the recovery keys if another seal (AWS KMS) unseals; with PGP keys,
    encrypted for their holders.
    """
    recovery: bool = False
    encrypted: bool = False
    """Whether the keys are encrypted; independent of the root token."""
    root_encrypted: bool = False

    def as_json(self) -> str:
        """Return the text of a key file; it must not be used for anything else."""
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
        """Return the keys in a key file.

        Raises:
            ConfigurationError: the file can't be read, or is not a key file
        """
        remedy = "name the file that `beanvault vault init` wrote"
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ConfigurationError(
                f"{path} is not a readable Vault key file ({type(error).__name__})", remedy
            ) from None
        fields = raw if isinstance(raw, dict) else {}
        recovery = "recovery_keys" in fields
        token, keys = fields.get("root_token"), fields.get("recovery_keys" if recovery else "unseal_keys")
        encrypted = fields.get("pgp_encrypted")
        if not (isinstance(token, str) and isinstance(keys, list) and isinstance(encrypted, bool)):
            raise ConfigurationError(f"{path} is not a Vault key file", remedy)
        root_encrypted = bool(fields.get("root_token_pgp_encrypted"))
        return cls(token, tuple(map(str, keys)), recovery, encrypted, root_encrypted)


@dataclass(frozen=True, slots=True)
class KeyFile:
    """A file of mode 600 that is created, with its disk space, before there are keys to write.

    Vault returns its keys once. A directory without write permission, or a full disk, must therefore be
    discovered before initialisation.
    """

    path: Path
    _file: TextIO = field(repr=False)

    @classmethod
    def reserve(cls, path: Path) -> KeyFile:
        """Create the file and fill it with spaces.

        Raises:
            ConfigurationError: the file exists, or can't be written
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            opened = os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w")
        except FileExistsError:
            raise ConfigurationError(
                f"{path} exists and may hold the only keys of a Vault", "name another file"
            ) from None
        except OSError as error:
            raise _unwritable(path, error) from error
        reserved = cls(path, opened)
        try:
            reserved._write(" " * RESERVED_BYTES)
        except OSError as error:
            reserved.remove()
            raise _unwritable(path, error) from error
        return reserved

    def save(self, keys: Keys) -> None:
        """Write *keys*, and return when they are on the disk.

        Raises:
            OSError: they may not be on the disk
        """
        self._write(keys.as_json())
        self._file.close()

    def remove(self) -> None:
        """Remove the file, because there are no keys to write."""
        with suppress(OSError):  # closing tries again to write what could not be written
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
