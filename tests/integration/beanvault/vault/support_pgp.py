"""People with PGP keys, for whom Vault encrypts their shares."""

from __future__ import annotations

import base64
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Holder:
    """A person with a PGP key pair, kept by GnuPG in a directory of its own."""

    home: Path

    @classmethod
    def made(cls, home: Path, name: str) -> Holder:
        home.mkdir(mode=0o700)
        holder = cls(home)
        holder._gpg("--quick-generate-key", f"{name} <{name}@example.com>", "rsa2048", "encrypt", "never")
        return holder

    @property
    def public_key(self) -> str:
        return base64.b64encode(self._gpg("--export")).decode()

    def decrypted(self, share: str, encoding: str = "base64") -> str:
        """Return what Vault encrypted for this holder."""
        raw = base64.b64decode(share) if encoding == "base64" else bytes.fromhex(share)
        return self._gpg("--decrypt", stdin=raw).decode()

    def end(self) -> None:
        subprocess.run(["gpgconf", "--homedir", str(self.home), "--kill", "all"], check=True)

    def _gpg(self, *arguments: str, stdin: bytes = b"") -> bytes:
        command = ["gpg", "--homedir", str(self.home), "--batch", "--quiet", "--passphrase", ""]
        command += ["--pinentry-mode", "loopback", *arguments]
        return subprocess.run(command, input=stdin, capture_output=True, check=True, timeout=60).stdout
