"""The one place that calls Vault: transport, retries, and translation of every failure."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import quote

import certifi
import hvac
import requests
from hvac.adapters import RawAdapter

from .contract.connection import VaultAddress
from .contract.names import is_addressable
from .errors import (
    OutOfTime,
    PathNotFound,
    SourceDenied,
    SourceError,
    SourceMissing,
    SourceSealed,
    SourceUnavailable,
)
from .tls import ISSUE_AGAIN, StrictTransport, missing_extension, strict_context
from .value import parse_json


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a request to Vault may take, and how often it is sent."""

    connect_seconds: float = 3.0
    read_seconds: float = 15.0
    attempts: int = 4
    first_pause_seconds: float = 0.2

    @property
    def longest_seconds(self) -> float:
        """From one check of the time left to the next, at worst."""
        longest_pause = 1.5 * self.first_pause_seconds * 2.0 ** (self.attempts - 2)
        return self.connect_seconds + self.read_seconds + longest_pause


TIMEOUTS = Timeouts()
"""The function's; shorter than the time that it reserves before it is ended."""

# 412: a standby has not caught up with what it was asked to know; 472 and 473: it is a standby of a kind that
# does not serve this. https://developer.hashicorp.com/vault/api-docs#http-status-codes
_TRANSIENT = frozenset({408, 412, 429, 472, 473, 500, 502, 503, 504})


class _Refused(Exception):
    """Vault answered with an error: its status, and what the status alone does not show."""

    def __init__(self, status: int, messages: str) -> None:
        super().__init__(status)
        self.status = status
        self.sealed = status == 503 and "sealed" in messages
        # A mount that is made, or upgraded from version 1, refuses everything meanwhile:
        # https://developer.hashicorp.com/vault/docs/secrets/kv/kv-v2/upgrade
        self.upgrading = status == 400 and "Upgrading from non-versioned" in messages
        self.not_found = status == 404 and not messages


class _Adapter(RawAdapter):  # type: ignore[misc]  # hvac ships no types
    """hvac's adapter, but with the status of an error: hvac's own exceptions lose those without a name."""

    def request(self, *args: Any, **kwargs: Any) -> requests.Response:
        response: requests.Response = super().request(*args, **{**kwargs, "raise_exception": False})
        if response.ok:
            return response
        raise _Refused(response.status_code, _messages(response))


class Vault:
    """A client of one Vault or OpenBao, safe for several threads, with its connections kept.

    No request is sent or repeated once *in_time* returns False: `OutOfTime` is raised instead.
    """

    def __init__(
        self,
        address: VaultAddress,
        in_time: Callable[[], bool] = lambda: True,
        timeouts: Timeouts = TIMEOUTS,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._address = address
        self._in_time = in_time
        self._timeouts = timeouts
        self._sleep = sleep
        self._jitter = jitter
        self._session = _session(address)
        self.client = self._client()

    def _client(self, token: str | None = None) -> hvac.Client:
        return hvac.Client(
            url=self._address.url,
            # Without a token hvac would search the environment and the home directory for one.
            token=token or "",
            namespace=self._address.namespace,
            timeout=(self._timeouts.connect_seconds, self._timeouts.read_seconds),
            session=self._session,
            adapter=_Adapter,
        )

    def use_token(self, token: str) -> None:
        self.client.token = token

    def wrapped_by(self, wrapping_token: str) -> str:
        """Return the path whose answer a wrapping token contains; this works until the token is used."""
        path = "sys/wrapping/lookup"
        body = {"token": wrapping_token}
        return str(self._data(path, lambda: self.client.adapter.post(_url(path), json=body))["creation_path"])

    def unwrap(self, wrapping_token: str) -> dict[str, Any]:
        """Return the content of a wrapping token; this works once."""
        client = self._client(wrapping_token)
        return self._data("sys/wrapping/unwrap", client.sys.unwrap, attempts=1)

    def login(self, what: str, login: Callable[[hvac.Client], Any]) -> None:
        """Log in with *login*, which gets the client; *what* names the method in errors."""
        self._answer(what, lambda: login(self.client))

    def read(self, path: str, params: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Return the `data` at *path*, unquoted and without `/v1/`.

        Raises:
            SourceError: the class tells what to do next.
        """
        return self._data(path, lambda: self.client.adapter.get(_url(path), params=params))

    def list(self, path: str, params: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Return the `data` of LIST *path*; a folder without entries has an empty list of `keys`."""
        try:
            data = self._data(path, lambda: self.client.adapter.list(_url(path), params=params))
        except PathNotFound:
            return {"keys": []}
        if not isinstance(data.get("keys"), list):
            raise SourceUnavailable(f"the answer for {path} is not a listing of Vault; check the address")
        return data

    def revoke_token(self) -> None:
        """Revoke the token. It expires with its lease otherwise, so a failure is not worth a retry."""
        self._answer("auth/token/revoke-self", self.client.auth.token.revoke_self, attempts=1)

    def close(self) -> None:
        self._session.close()

    def _data(
        self, path: str, call: Callable[[], requests.Response], attempts: int | None = None
    ) -> dict[str, Any]:
        data = self._answer(path, call, attempts).get("data")
        if not isinstance(data, dict):
            raise SourceUnavailable(f"the answer for {path} is not one of Vault; check the address")
        return data

    def _answer(
        self, path: str, call: Callable[[], requests.Response], attempts: int | None = None
    ) -> dict[str, Any]:
        attempts = attempts or self._timeouts.attempts
        pause = self._timeouts.first_pause_seconds
        while True:
            attempts -= 1
            if not self._in_time():
                raise OutOfTime(f"no time was left for {path}")
            try:
                response = call()
                return parse_json(response.content) if response.content else {}
            except (_Refused, requests.RequestException, ValueError) as failure:
                if attempts == 0 or not _is_transient(failure):
                    error = _translate(path, failure)
                    # Not `from`: the original may hold a response's body, and with it a value.
                    raise error from None
            self._sleep(pause * (0.5 + self._jitter()))
            pause *= 2


def _session(address: VaultAddress) -> requests.Session:
    session = requests.Session()
    # Proxies, netrc and bundles named in the environment must not redirect or weaken this connection.
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.adapters.clear()
    if address.ca_bundle:
        context = strict_context(cadata=address.ca_bundle)
    else:
        context = strict_context(cafile=certifi.where())
    # With no other adapter mounted, a redirect from https to http cannot be followed.
    scheme = "https://" if address.url.startswith("https://") else "http://"
    session.mount(scheme, StrictTransport(context))
    return session


def _messages(response: requests.Response) -> str:
    """Return Vault's error messages, or an empty text where Vault itself answers that nothing exists there.

    No other answer with that status must count as that one, because a path that does not exist is deleted:
    not a load balancer's page, and not HashiCorp's answer for a path that its KV version 2 does not know,
    which has neither errors nor data: `pathInvalid` in https://github.com/hashicorp/vault-plugin-secrets-kv/blob/main/backend.go
    """
    try:
        answer = response.json()
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        return "not an answer of Vault"
    errors, data = answer.get("errors"), answer.get("data")
    if errors:
        return str(errors)
    # A soft-deleted secret answers 404 with its metadata.
    nothing = errors == [] or (isinstance(data, dict) and "metadata" in data)
    return "" if nothing else "not Vault's answer for a missing path"


def _url(path: str) -> str:
    if not is_addressable(path.removesuffix("/")):
        raise SourceMissing(f"{path} is not a path in Vault: it has a segment that is empty or made of dots")
    return "/v1/" + quote(path, safe="/")


def _is_transient(failure: Exception) -> bool:
    if isinstance(failure, _Refused):
        return (failure.status in _TRANSIENT and not failure.sealed) or failure.upgrading
    # A connection that is cut within a body is worth another try, a certificate that is not trusted isn't.
    transient = (
        requests.ConnectionError,
        requests.Timeout,
        requests.exceptions.ChunkedEncodingError,
        requests.exceptions.ContentDecodingError,
        ValueError,
    )
    return isinstance(failure, transient) and not isinstance(failure, requests.exceptions.SSLError)


def _translate(path: str, failure: Exception) -> SourceError:
    if isinstance(failure, requests.exceptions.SSLError):
        if missing := missing_extension(failure):
            return SourceUnavailable(f"Vault's certificate is refused: {missing}; {ISSUE_AGAIN}")
        return SourceUnavailable(
            "Vault's certificate is not trusted; put the PEM of its authority into ca_bundle of the "
            "connection secret, and check that the certificate names the address"
        )
    if not isinstance(failure, _Refused):
        return SourceUnavailable(
            f"Vault does not answer for {path} ({type(failure).__name__}); "
            "check that it runs and is reachable"
        )
    if failure.sealed:
        return SourceSealed("Vault is sealed; unseal it")
    if failure.upgrading:
        return SourceUnavailable(
            f"Vault is upgrading the mount of {path} to KV version 2; wait until it has finished"
        )
    match failure.status:
        case 401 | 403:
            return SourceDenied(
                f"Vault denies {path}; grant it in the policy, and check that the login is valid"
            )
        case 400:
            return SourceDenied(
                f"Vault rejects the request for {path} as invalid; check the login and the mount"
            )
        case 404 if failure.not_found:
            return PathNotFound(f"there is nothing at {path} in Vault")
        case 404 | 405:
            return SourceMissing(f"there is nothing at {path} in Vault; check that the mount exists")
        case status:
            return SourceUnavailable(f"Vault fails for {path} (status {status}); see its log")
