"""Enabling mounts of KV version 2."""

from __future__ import annotations

import hvac
from hvac import exceptions as hvac_errors

from ..errors import TimedOut
from ..polling import PollingClock, attempts

READY_SECONDS = 30


def enable_kv2(client: hvac.Client, path: str) -> None:
    """Enable KV version 2 at *path*, and return when it accepts requests.

    Raises:
        TimedOut: it still refuses after half a minute
        hvac.exceptions.VaultError: Vault refused to enable it
    """
    client.sys.enable_secrets_engine("kv", path=path, options={"version": "2"})
    await_kv2(client, path)


def await_kv2(client: hvac.Client, path: str) -> None:
    """Return when the mount of KV version 2 at *path* accepts requests.

    Vault answers first and sets the mount up afterwards. Until then it refuses every request with 400 and
    "Upgrading from non-versioned to versioned data".

    Raises:
        TimedOut: it still refuses after half a minute
    """
    for _ in attempts(PollingClock(), READY_SECONDS, first=0.02, longest=1):
        try:
            client.secrets.kv.v2.read_configuration(mount_point=path)
        except hvac_errors.InvalidRequest as error:
            if "Upgrading from non-versioned" not in str(error):
                raise
            continue
        except hvac_errors.Forbidden:
            pass  # without permission to read the configuration, readiness can't be observed
        return
    raise TimedOut(
        f"the new mount {path}/ refuses requests after {READY_SECONDS} s", "see Vault's log, then try again"
    )
