"""The one place that talks to Vault: transport, retries, and translation of every failure."""

from __future__ import annotations

import random
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import quote

import certifi
import hvac
import requests
from hvac.adapters import RawAdapter
from requests.adapters import HTTPAdapter

from .errors import (
    NothingThere,
    OutOfTime,
    SourceDenied,
    SourceError,
    SourceMissing,
    SourceSealed,
    SourceUnavailable,
)
from .names import can_be_addressed
from .value import parse_json

CONNECT_SECONDS = 3.0
READ_SECONDS = 15.0
ATTEMPTS = 4
FIRST_PAUSE_SECONDS = 0.2
POOL_SIZE = 32
LONGEST_PAUSE_SECONDS = 1.5 * FIRST_PAUSE_SECONDS * 2 ** (ATTEMPTS - 2)
LONGEST_SECONDS = CONNECT_SECONDS + READ_SECONDS + LONGEST_PAUSE_SECONDS
"""From one look at the time to the next, at worst."""

# 412: a standby has not caught up with what it was asked to know; 472 and 473: it is a standby of a kind that
# does not serve this. https://developer.hashicorp.com/vault/api-docs#http-status-codes
_PASSING = frozenset({408, 412, 429, 472, 473, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Address:
    """Where Vault is; *ca_bundle* is PEM text that replaces the public authorities."""

    url: str
    namespace: str | None = None
    ca_bundle: str | None = field(default=None, repr=False)


class _Refused(Exception):
    """Vault answered with an error: its status, and whether it is one that needs a closer look."""

    def __init__(self, status: int, messages: str) -> None:
        super().__init__(status)
        self.status = status
        self.sealed = status == 503 and "sealed" in messages
        # A mount that is made, or upgraded from version 1, refuses everything meanwhile:
        # https://developer.hashicorp.com/vault/docs/secrets/kv/kv-v2/upgrade
        self.upgrading = status == 400 and "Upgrading from non-versioned" in messages
        self.silent = not messages


class _Adapter(RawAdapter):  # type: ignore[misc]  # hvac ships no types
    """hvac's adapter with the status of a refusal kept; hvac's own errors lose those it has no name for."""

    def request(self, *args: Any, **kwargs: Any) -> requests.Response:
        response: requests.Response = super().request(*args, **{**kwargs, "raise_exception": False})
        if response.ok:
            return response
        raise _Refused(response.status_code, _messages(response))


class _Transport(HTTPAdapter):
    """Verifies with one TLS context for all connections: loading authorities anew for each costs 20 ms."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__(pool_connections=1, pool_maxsize=POOL_SIZE, pool_block=True)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: bool | str, cert: Any = None
    ) -> Any:
        host, pool = super().build_connection_pool_key_attributes(request, verify, cert)
        # requests would add its own bundle of authorities to the context's.
        pool.pop("ca_certs", None)
        pool.pop("ca_cert_dir", None)
        return host, pool

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Leave verification to the context, which always verifies."""


class Vault:
    """A client of one Vault or OpenBao, safe for several threads, with its connections kept.

    No request is sent, and none repeated, while *in_time* says no: `OutOfTime` is raised in its place.
    """

    def __init__(
        self,
        address: Address,
        in_time: Callable[[], bool] = lambda: True,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._address = address
        self._in_time = in_time
        self._sleep = sleep
        self._jitter = jitter
        self._session = _session(address)
        self.client = self._client()

    def _client(self, token: str | None = None) -> hvac.Client:
        return hvac.Client(
            url=self._address.url,
            # Without a token hvac would look for one in the environment and in the home directory.
            token=token or "",
            namespace=self._address.namespace,
            timeout=(CONNECT_SECONDS, READ_SECONDS),
            session=self._session,
            adapter=_Adapter,
        )

    def use_token(self, token: str) -> None:
        self.client.token = token

    def wrapped_by(self, wrapping_token: str) -> str:
        """Return the path whose answer a wrapping token wraps; it can be asked until the token is used."""
        path = "sys/wrapping/lookup"
        body = {"token": wrapping_token}
        return str(self._data(path, lambda: self.client.adapter.post(_url(path), json=body))["creation_path"])

    def unwrap(self, wrapping_token: str) -> dict[str, Any]:
        """Return what a wrapping token wraps; it works once."""
        client = self._client(wrapping_token)
        return self._data("sys/wrapping/unwrap", client.sys.unwrap, attempts=1)

    def login(self, what: str, login: Callable[[hvac.Client], Any]) -> None:
        """Log in with *login*, which is given the client; *what* names the method in errors."""
        self._answer(what, lambda: login(self.client))

    def read(self, path: str, params: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Return the `data` at *path*, unquoted and without `/v1/`.

        Raises:
            SourceError: the one that tells what to do next.
        """
        return self._data(path, lambda: self.client.adapter.get(_url(path), params=params))

    def list(self, path: str, params: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Return the `data` of LIST *path*; a folder without entries has an empty list of `keys`."""
        try:
            data = self._data(path, lambda: self.client.adapter.list(_url(path), params=params))
        except NothingThere:
            return {"keys": []}
        if not isinstance(data.get("keys"), list):
            raise SourceUnavailable(f"the answer for {path} is not a listing of Vault's")
        return data

    def revoke_token(self) -> None:
        """End the login; the lease's own end does it otherwise, so a failure is not worth a retry."""
        self._answer("auth/token/revoke-self", self.client.auth.token.revoke_self, attempts=1)

    def close(self) -> None:
        self._session.close()

    def _data(
        self, path: str, call: Callable[[], requests.Response], attempts: int = ATTEMPTS
    ) -> dict[str, Any]:
        data = self._answer(path, call, attempts).get("data")
        if not isinstance(data, dict):
            raise SourceUnavailable(f"the answer for {path} is not one of Vault's; is the address right?")
        return data

    def _answer(
        self, path: str, call: Callable[[], requests.Response], attempts: int = ATTEMPTS
    ) -> dict[str, Any]:
        pause = FIRST_PAUSE_SECONDS
        while True:
            attempts -= 1
            if not self._in_time():
                raise OutOfTime(f"no time was left for {path}")
            try:
                response = call()
                return parse_json(response.content) if response.content else {}
            except (_Refused, requests.RequestException, ValueError) as failure:
                if attempts == 0 or not _passing(failure):
                    error = _translate(path, failure)
                    # Not `from`: the original may hold a response's body, and with it a value.
                    raise error from None
            self._sleep(pause * (0.5 + self._jitter()))
            pause *= 2


def _session(address: Address) -> requests.Session:
    session = requests.Session()
    # Proxies, netrc and bundles named in the environment must not redirect or weaken this connection.
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.adapters.clear()
    if address.ca_bundle:
        context = ssl.create_default_context(cadata=address.ca_bundle)
    else:
        context = ssl.create_default_context(cafile=certifi.where())
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # With no other adapter mounted, a redirect from https to http cannot be followed.
    scheme = "https://" if address.url.startswith("https://") else "http://"
    session.mount(scheme, _Transport(context))
    return session


def _messages(response: requests.Response) -> str:
    """Return Vault's own words, or none where Vault itself says that nothing is there.

    Anything else with that status must not pass for it: what is not there is deleted. That is a page of a
    load balancer's, and HashiCorp's answer for a path that its KV version 2 does not know, which has neither
    errors nor data: `pathInvalid` in https://github.com/hashicorp/vault-plugin-secrets-kv/blob/main/backend.go
    """
    try:
        answer = response.json()
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        return "not an answer of Vault's"
    errors, data = answer.get("errors"), answer.get("data")
    if errors:
        return str(errors)
    # A soft-deleted secret answers 404 with its metadata.
    nothing = errors == [] or (isinstance(data, dict) and "metadata" in data)
    return "" if nothing else "not Vault's word for nothing"


def _url(path: str) -> str:
    if not can_be_addressed(path.removesuffix("/")):
        raise SourceMissing(f"{path} is not a path in Vault: it has a segment that is empty, or made of dots")
    return "/v1/" + quote(path, safe="/")


def _passing(failure: Exception) -> bool:
    if isinstance(failure, _Refused):
        return (failure.status in _PASSING and not failure.sealed) or failure.upgrading
    # A connection cut in mid-body and a body that ends early are worth another try, a bad certificate isn't.
    passing = (
        requests.ConnectionError,
        requests.Timeout,
        requests.exceptions.ChunkedEncodingError,
        requests.exceptions.ContentDecodingError,
        ValueError,
    )
    return isinstance(failure, passing) and not isinstance(failure, requests.exceptions.SSLError)


def _translate(path: str, failure: Exception) -> SourceError:
    if isinstance(failure, requests.exceptions.SSLError):
        return SourceUnavailable(
            "Vault's certificate is not accepted; put the authority's PEM into ca_bundle of the connection "
            "secret, and see that the certificate names the address"
        )
    if not isinstance(failure, _Refused):
        return SourceUnavailable(f"Vault does not answer for {path} ({type(failure).__name__})")
    if failure.sealed:
        return SourceSealed("Vault is sealed; unseal it")
    if failure.upgrading:
        return SourceUnavailable(f"Vault is upgrading the mount of {path} to KV version 2; wait for its end")
    match failure.status:
        case 401 | 403:
            return SourceDenied(f"Vault denies {path}; its policy must grant it, and the login be valid")
        case 400:
            return SourceDenied(
                f"Vault takes the request for {path} as invalid; look at the login and the mount"
            )
        case 404 if failure.silent:
            return NothingThere(f"there is nothing at {path} in Vault")
        case 404 | 405:
            return SourceMissing(f"there is nothing at {path} in Vault; does the mount exist?")
        case status:
            return SourceUnavailable(f"Vault fails for {path} (status {status})")
