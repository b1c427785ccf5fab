"""A Vault server: how it is reached, how it is initialised and unsealed, and its refusals in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import hvac
import requests
from hvac import exceptions as hvac_errors

from ..errors import BeanvaultError, ConfigurationError, Denied, TimedOut, Unreachable
from ..polling import PollingClock, attempts
from .keys import Keys

TIMEOUT = 30
ACTIVE_SECONDS = 60
INITIALISE_SECONDS = 120
"""Raft makes its storage within the request: seconds, on a slow disk many."""
MADE_ANEW = "nobody can open it, and nothing is in it: stop it, empty its storage, start it, and repeat"


class VaultError(BeanvaultError):
    """Vault refused a request for a reason of its own."""


@dataclass(frozen=True, slots=True)
class VaultServer:
    """Where a Vault is."""

    address: str
    ca_file: Path | None = None
    """PEM of the authority that vouches for it; none means the system's."""
    namespace: str | None = None

    def __post_init__(self) -> None:
        if not self.address.startswith("https://"):
            raise ConfigurationError(
                f"{self.address} is not an https address: tokens and secrets would travel in clear",
                "give Vault's https:// address, and --vault-ca-file for an authority of your own",
            )

    @property
    def host(self) -> str:
        """The host name or IP address in `address`."""
        return urlsplit(self.address).hostname or ""

    def client(self, token: str | None = None, timeout: float = TIMEOUT) -> hvac.Client:
        """Return a client with exactly this token, whatever the environment holds."""
        verify: bool | str = True if self.ca_file is None else str(self.ca_file)
        client = hvac.Client(url=self.address, verify=verify, namespace=self.namespace, timeout=timeout)
        client.token = token  # the constructor would fall back to VAULT_TOKEN and ~/.vault-token
        return client

    @property
    def ca_bundle(self) -> str | None:
        """The authority's PEM text."""
        return None if self.ca_file is None else self.ca_file.read_text()


@contextmanager
def explained(doing: str) -> Iterator[None]:
    """Turn hvac's and the network's errors into ours; *doing* completes "Vault refused …"."""
    try:
        yield
    except hvac_errors.Forbidden as error:
        raise Denied(
            f"Vault refused {doing}: permission denied", "use a token whose policy allows it"
        ) from error
    except hvac_errors.VaultDown as error:
        raise Unreachable(
            f"Vault is sealed or not initialised: {doing}", "unseal it: `beanvault vault init`"
        ) from error
    except (hvac_errors.RateLimitExceeded, hvac_errors.BadGateway, hvac_errors.InternalServerError) as error:
        raise Unreachable(
            f"Vault couldn't answer: {doing} ({type(error).__name__})", "try again; see its log"
        ) from error
    except hvac_errors.VaultError as error:
        # Vault's own words name paths and options, never a secret's value.
        raise VaultError(
            f"Vault refused {doing}: {'; '.join(error.errors or []) or type(error).__name__}"
        ) from error
    except requests.exceptions.SSLError as error:
        raise Unreachable(
            f"Vault's certificate isn't trusted: {doing}",
            "name the authority that signed it with --vault-ca-file",
        ) from error
    except requests.exceptions.RequestException as error:
        raise Unreachable(
            f"Vault didn't answer: {doing} ({type(error).__name__})", "check its address and the way to it"
        ) from error


@dataclass(frozen=True, slots=True)
class Shares:
    """How the key is shared out among people."""

    count: int = 5
    threshold: int = 3
    pgp_keys: tuple[str, ...] = ()
    """One base64 public key a share: each share is then encrypted for its holder."""
    root_pgp_key: str | None = None

    def __post_init__(self) -> None:
        problems = []
        if not 1 <= self.threshold <= self.count <= 255:
            problems.append(
                f"{self.threshold} of {self.count} shares can't unseal: 1 ≤ threshold ≤ shares ≤ 255"
            )
        if self.threshold == 1 < self.count:
            problems.append("several shares with threshold 1 are one key in many hands: Vault refuses that")
        if self.pgp_keys and len(self.pgp_keys) != self.count:
            problems.append(f"{len(self.pgp_keys)} PGP keys were given for {self.count} shares")
        if problems:
            raise ConfigurationError("; ".join(problems))


def status(server: VaultServer) -> Mapping[str, Any]:
    """Return sys/seal-status: `initialized`, `sealed`, `type` (`shamir`, `awskms`, …), `version`."""
    with explained(f"the seal status of {server.address}"):
        answer: Mapping[str, Any] = server.client().sys.read_seal_status()
        return answer


def initialise(server: VaultServer, shares: Shares) -> Keys:
    """Initialise an empty Vault and return its keys; the caller keeps them before anything else.

    Raises:
        VaultError: it is initialised already, or refuses the PGP keys; or its answer was lost
    """
    recovery = status(server)["type"] != "shamir"
    body: dict[str, Any] = {
        "recovery_shares" if recovery else "secret_shares": shares.count,
        "recovery_threshold" if recovery else "secret_threshold": shares.threshold,
    }
    if shares.pgp_keys:
        body["recovery_pgp_keys" if recovery else "pgp_keys"] = list(shares.pgp_keys)
    if shares.root_pgp_key:
        body["root_token_pgp_key"] = shares.root_pgp_key
    try:
        with explained("to be initialised"):
            # Not hvac's own method: it always sends secret_shares, which a server with another seal refuses.
            answer = server.client(timeout=INITIALISE_SECONDS).adapter.put("/v1/sys/init", json=body)
    except Unreachable as error:
        lost = _lost_answer(server)
        if lost is None:
            raise
        raise lost from error
    keys = answer["recovery_keys_base64" if recovery else "keys_base64"]
    return Keys(
        answer["root_token"],
        tuple(keys),
        recovery=recovery,
        encrypted=bool(shares.pgp_keys),
        root_encrypted=shares.root_pgp_key is not None,
    )


def _lost_answer(server: VaultServer) -> BeanvaultError | None:
    """Return what to tell where a request to initialise got no answer and may have been carried out."""
    try:
        initialised = status(server)["initialized"]
    except Unreachable:
        return Unreachable(
            f"{server.address} gave no answer and may be initialised, its only keys lost with the answer",
            f"if it is initialised when it answers again: {MADE_ANEW}",
        )
    if not initialised:
        return None
    return VaultError(
        f"{server.address} is initialised, and the answer with its only keys was lost", MADE_ANEW
    )


def unseal(server: VaultServer, keys: Iterable[str]) -> None:
    """Give unseal keys until the server is open, and wait until it is active.

    Raises:
        VaultError: the keys are too few, or not its own
    """
    state = status(server)
    for key in keys if state["sealed"] else ():
        with explained("an unseal key"):
            state = server.client().sys.submit_unseal_key(key)
        if not state["sealed"]:
            break
    if state["sealed"] and state["type"] == "shamir":
        raise VaultError(
            f"{server.address} is still sealed: {state['progress']} of {state['t']} keys were given",
            "give the missing unseal keys: --keys-file, or when asked",
        )
    wait_until_active(server, PollingClock())


def wait_until_active(server: VaultServer, clock: PollingClock) -> None:
    """Return when the server leads its cluster or knows who does, which takes seconds after unsealing.

    Raises:
        TimedOut: it doesn't
    """
    for _ in attempts(clock, ACTIVE_SECONDS, longest=1):
        with explained("its leader"):
            leader = server.client().sys.read_leader_status()
            if not leader.get("ha_enabled") or leader.get("leader_address"):
                health = server.client().sys.read_health_status(method="GET")
                # A body comes with 200 only; a standby (429, 473) forwards what it can't do itself.
                if isinstance(health, dict) or (not leader["is_self"] and health.status_code in (429, 473)):
                    return
    raise TimedOut(f"{server.address} isn't active {ACTIVE_SECONDS} s after unsealing", "see its log")
