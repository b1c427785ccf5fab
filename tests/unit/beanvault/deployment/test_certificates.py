"""The self-signed certificate: which name it is for, and how long."""

from __future__ import annotations

import datetime as dt

import pytest
from cryptography import x509

from beanvault.deployment import certificates

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
LONG = f"{'app' * 20}.{'platform' * 5}.example.com"


@pytest.mark.parametrize("host", ["app.example.com", LONG], ids=["short", "over 64 characters"])
def test_the_certificate_is_for_its_host_and_for_servers_only(host: str) -> None:
    """A common name has at most 64 characters (X.520), a host name up to 253."""
    pem, key = certificates.make(host, NOW)
    certificate = x509.load_pem_x509_certificate(pem)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [host]
    assert certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    assert certificate.not_valid_after_utc - NOW == certificates.LIFETIME
    assert certificate.subject == certificate.issuer
    assert len(certificate.issuer.rdns) > 0  # ACM refuses a certificate without an issuer
    assert b"PRIVATE KEY" in key
