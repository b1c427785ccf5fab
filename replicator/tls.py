"""How Vault's certificate is verified: as strictly as Python 3.13 does by default, on every Python.

Lambda's Python refuses what an older one on the operator's machine would accept, so both are made strict:
https://docs.python.org/3/whatsnew/3.13.html#ssl
"""

from __future__ import annotations

import ssl
from typing import Any

import requests
from requests.adapters import HTTPAdapter

POOL_SIZE = 32

_MISSING = {
    85: "the certificate has no extension authority key identifier (authorityKeyIdentifier=keyid)",
    86: "its authority has no extension subject key identifier (subjectKeyIdentifier=hash)",
    89: "its authority has the extension basic constraints not marked as critical "
    "(basicConstraints=critical,CA:TRUE)",
    92: "its authority has no extension key usage (keyUsage=critical,keyCertSign)",
}
"""By X509_V_ERR_… of https://github.com/openssl/openssl/blob/master/include/openssl/x509_vfy.h.in

In parentheses: how openssl.cnf sets the extension.
"""

ISSUE_AGAIN = "have the authority issue Vault's certificate, or its own, again with that extension"


def strict_context(*, cafile: str | None = None, cadata: str | None = None) -> ssl.SSLContext:
    """Return a client's context that trusts these authorities, and nothing that RFC 5280 forbids."""
    context = ssl.create_default_context(cafile=cafile, cadata=cadata)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN | ssl.VerifyFlags.VERIFY_X509_STRICT
    return context


def missing_extension(failure: BaseException) -> str | None:
    """Return which extension a refused certificate lacks; None where it was refused for another reason.

    requests and urllib3 wrap the error of OpenSSL, in several ways.
    """
    pending: list[object] = [failure]
    while pending:
        error = pending.pop()
        if isinstance(error, ssl.SSLCertVerificationError):
            return _MISSING.get(error.verify_code)
        if isinstance(error, BaseException):
            pending += [*error.args, getattr(error, "reason", None)]
    return None


class StrictTransport(HTTPAdapter):
    """Verifies with one TLS context for all connections: loading authorities anew for each costs 20 ms."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__(pool_connections=1, pool_maxsize=POOL_SIZE, pool_block=True)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        return super().proxy_manager_for(proxy, ssl_context=self._context, **kwargs)

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
