"""A Vault server: its address, its client, its initialisation and its unsealing."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import certifi
import hvac
import requests

from replicator.tls import StrictTransport, strict_context

from ..errors import BeanvaultError, ConfigurationError, TimedOut, Unreachable
from ..polling import PollingClock, attempts
from .answers import Answer
from .errors import VaultError, explained
from .keys import Keys

TIMEOUT_SECONDS = 30
ACTIVE_SECONDS = 60
INITIALISE_SECONDS = 120
"""Raft creates its storage during the request, which takes long on a slow disk."""
STANDBY_STATUSES = (429, 473)
START_OVER = (
    "no key can unseal it, and it is empty: stop it, delete its storage, start it, and run the command again"
)


@dataclass(frozen=True, slots=True)
class VaultServer:
    """A Vault's address and the authority of its certificate."""

    address: str
    ca_file: Path | None = None
    """PEM of the authority that signed its certificate; None uses those of requests."""
    namespace: str | None = None

    def __post_init__(self) -> None:
        remedy = "give Vault's https:// address, and --vault-ca-file for an authority of your own"
        if not self.address.startswith("https://"):
            raise ConfigurationError(
                f"{self.address} is not an https address: tokens and secrets would travel unencrypted", remedy
            )
        try:
            parts = urlsplit(self.address)
            valid = bool(parts.hostname) and parts.port != 0
        except ValueError:  # an unclosed bracket, or a port that is not a number
            valid = False
        if not valid:
            raise ConfigurationError(f"{self.address} is not a valid address", remedy)

    @property
    def host(self) -> str:
        """The host name or IP address in `address`."""
        return urlsplit(self.address).hostname or ""

    def client(self, token: str | None = None, timeout: float = TIMEOUT_SECONDS) -> hvac.Client:
        """Return a client with exactly this token, whatever the environment holds."""
        authorities = str(self.ca_file or os.environ.get("REQUESTS_CA_BUNDLE") or certifi.where())
        try:
            context = strict_context(cafile=authorities)
        except OSError:  # OpenSSL's own error is one as well
            raise ConfigurationError(
                f"{authorities} contains no PEM certificate",
                "name the file of the authority that signed Vault's certificate with --vault-ca-file",
            ) from None
        session = requests.Session()
        session.mount("https://", StrictTransport(context))
        client = hvac.Client(url=self.address, namespace=self.namespace, timeout=timeout, session=session)
        client.token = token  # the constructor would fall back to VAULT_TOKEN and ~/.vault-token
        return client

    @property
    def ca_bundle(self) -> str | None:
        """The authority's PEM text."""
        return None if self.ca_file is None else self.ca_file.read_text()


@dataclass(frozen=True, slots=True)
class Shares:
    """How the unseal key is split."""

    count: int = 5
    threshold: int = 3
    pgp_keys: tuple[str, ...] = ()
    """One base64 public key per share, which encrypts the share for its holder."""
    root_pgp_key: str | None = None

    def __post_init__(self) -> None:
        problems = []
        if not 1 <= self.threshold <= self.count <= 255:
            problems.append(
                f"{self.threshold} of {self.count} shares can't unseal: 1 ≤ threshold ≤ shares ≤ 255"
            )
        if self.threshold == 1 < self.count:
            problems.append("Vault refuses several shares with threshold 1: each would be the whole key")
        if self.pgp_keys and len(self.pgp_keys) != self.count:
            problems.append(f"{len(self.pgp_keys)} PGP keys were given for {self.count} shares")
        if problems:
            raise ConfigurationError("; ".join(problems))


@dataclass(frozen=True, slots=True)
class SealStatus:
    """The answer of sys/seal-status."""

    initialized: bool
    sealed: bool
    type: str
    """`shamir`, or what unseals instead: `awskms`, …"""
    version: str
    progress: int
    """Unseal keys given so far."""
    threshold: int

    @property
    def shamir(self) -> bool:
        """Whether people unseal with key shares."""
        return self.type == "shamir"


def seal_status(server: VaultServer) -> SealStatus:
    request = f"the seal status of {server.address}"
    with explained(request):
        raw = server.client().sys.read_seal_status()
    return _parse_seal_status(raw, request)


def _parse_seal_status(raw: object, request: str) -> SealStatus:
    answer = Answer.root(raw, request)
    return SealStatus(
        initialized=answer.flag("initialized"),
        sealed=answer.flag("sealed"),
        type=answer.text("type"),
        version=answer.text("version"),
        progress=answer.number("progress"),
        threshold=answer.number("t"),
    )


def initialise(server: VaultServer, shares: Shares) -> Keys:
    """Initialise an empty Vault and return its keys; the caller saves them before anything else.

    Raises:
        VaultError: it is already initialised, refuses the PGP keys, or its answer was lost
    """
    recovery = not seal_status(server).shamir
    body: dict[str, object] = {
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
            raw = server.client(timeout=INITIALISE_SECONDS).adapter.put("/v1/sys/init", json=body)
    except Unreachable as error:
        lost = _lost_answer(server)
        if lost is None:
            raise
        raise lost from error
    answer = Answer.root(raw, "the initialisation")
    return Keys(
        answer.text("root_token"),
        answer.texts("recovery_keys_base64" if recovery else "keys_base64"),
        recovery=recovery,
        encrypted=bool(shares.pgp_keys),
        root_encrypted=shares.root_pgp_key is not None,
    )


def _lost_answer(server: VaultServer) -> BeanvaultError | None:
    """Return the error for an initialisation without an answer; None if Vault didn't carry it out."""
    try:
        initialised = seal_status(server).initialized
    except Unreachable:
        return Unreachable(
            f"{server.address} gave no answer; if it is initialised, its only keys are lost with the answer",
            f"check it when it answers again; if it is initialised: {START_OVER}",
        )
    if not initialised:
        return None
    return VaultError(
        f"{server.address} is initialised, and the answer with its only keys was lost", START_OVER
    )


def unseal(server: VaultServer, keys: Iterable[str]) -> None:
    """Submit unseal keys until the server is unsealed, and wait until it is active.

    Raises:
        VaultError: the keys are too few, or belong to another Vault
    """
    status = seal_status(server)
    for key in keys if status.sealed else ():
        with explained("an unseal key"):
            raw = server.client().sys.submit_unseal_key(key)
        status = _parse_seal_status(raw, "an unseal key")
        if not status.sealed:
            break
    if status.sealed and status.shamir:
        raise VaultError(
            f"{server.address} is still sealed: {status.progress} of {status.threshold} keys were given",
            "give the missing unseal keys with --keys-file or at the prompt",
        )
    _wait_until_active(server)


def _wait_until_active(server: VaultServer) -> None:
    """Return when the server leads its cluster or knows the leader, which takes seconds after unsealing.

    Raises:
        TimedOut: it is not active after a minute
    """
    for _ in attempts(PollingClock(), ACTIVE_SECONDS, longest=1):
        with explained("its leader"):
            leader = Answer.root(server.client().sys.read_leader_status(), "its leader")
            if not leader.fields.get("ha_enabled") or leader.fields.get("leader_address"):
                health = server.client().sys.read_health_status(method="GET")
                # hvac returns a body for status 200 only. A standby forwards what it can't do itself.
                standby = not leader.fields.get("is_self")
                if isinstance(health, dict) or (standby and health.status_code in STANDBY_STATUSES):
                    return
    raise TimedOut(f"{server.address} is not active {ACTIVE_SECONDS} s after unsealing", "see its log")
