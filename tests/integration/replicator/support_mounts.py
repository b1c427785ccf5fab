"""Mounts of KV version 2, ready to be written to."""

from __future__ import annotations

import time

import hvac


def open_mount(vault: hvac.Client, path: str, seconds: float = 30) -> None:
    """Enable KV version 2 at *path* and wait until it takes requests: it sets itself up after the answer."""
    vault.sys.enable_secrets_engine("kv", path=path, options={"version": "2"})
    deadline = time.monotonic() + seconds
    while True:
        try:
            vault.secrets.kv.v2.read_configuration(mount_point=path)
        except hvac.exceptions.InvalidRequest:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return
