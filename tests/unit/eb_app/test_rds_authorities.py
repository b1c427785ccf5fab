"""Story of eb_app/certs/rds-global-bundle.pem and eb_app/settings.py.

The authorities in the bundle are RDS's, and the file is the one that was reviewed.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
import ssl
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from eb_app.database_login import tls_context
from eb_app.settings import RDS_AUTHORITIES

SHA256 = "e822ce23c9d560983ce8c1a225675c4e813df6dca1265c8a311e6eb656a76132"
"""Of the whole file; a change requires a review of every certificate in it."""

REGIONS = [
    "af-south-1",
    "ap-east-1",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-south-2",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ca-central-1",
    "eu-central-1",
    "eu-central-2",
    "eu-north-1",
    "eu-south-1",
    "eu-south-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "me-central-1",
    "me-south-1",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
]


@pytest.fixture(scope="module")
def authorities() -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(RDS_AUTHORITIES.read_bytes())


def test_the_file_is_pinned() -> None:
    """Another authority can't be added unnoticed."""
    assert hashlib.sha256(RDS_AUTHORITIES.read_bytes()).hexdigest() == SHA256


def test_every_region_has_its_three_authorities(authorities: list[x509.Certificate]) -> None:
    """rds-ca-rsa2048-g1, rds-ca-rsa4096-g1 and rds-ca-ecc384-g1; nothing else is trusted."""
    names = {_common_name(authority) for authority in authorities}
    assert names == {
        f"Amazon RDS {region} Root CA {kind} G1"
        for region in REGIONS
        for kind in ("RSA2048", "RSA4096", "ECC384")
    }


def test_the_authorities_are_self_signed_and_valid_for_years(authorities: list[x509.Certificate]) -> None:
    """None expires within ten years, each can sign certificates, and each signature is valid."""
    soon = dt.datetime.now(dt.UTC) + dt.timedelta(days=3650)
    for authority in authorities:
        assert authority.not_valid_after_utc > soon, _common_name(authority)
        assert authority.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        authority.verify_directly_issued_by(authority)


def test_the_authorities_satisfy_strict_verification(authorities: list[x509.Certificate]) -> None:
    """What `VERIFY_X509_STRICT` asks of an authority, of each of them: the app's TLS sets it."""
    assert tls_context(RDS_AUTHORITIES).verify_flags & ssl.VERIFY_X509_STRICT
    for authority in authorities:
        extensions = authority.extensions
        usage = extensions.get_extension_for_class(x509.KeyUsage)
        assert usage.value.key_cert_sign, _common_name(authority)
        assert extensions.get_extension_for_class(x509.BasicConstraints).critical, _common_name(authority)
        assert extensions.get_extension_for_class(x509.SubjectKeyIdentifier), _common_name(authority)
        pem = authority.public_bytes(serialization.Encoding.PEM)
        checked = subprocess.run(
            ["openssl", "verify", "-x509_strict", "-CAfile", RDS_AUTHORITIES],
            input=pem,
            capture_output=True,
            timeout=30,
            check=False,
        )
        assert checked.returncode == 0, (_common_name(authority), checked.stderr)


def test_the_context_trusts_them_and_verifies_names() -> None:
    """TLS 1.2 at least, a verified authority, a verified name."""
    context = tls_context(RDS_AUTHORITIES)
    assert context.cert_store_stats()["x509_ca"] == 3 * len(REGIONS)
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2


def _common_name(certificate: x509.Certificate) -> str:
    (name,) = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    assert re.fullmatch(r"[\w -]+", str(name.value))
    return str(name.value)
