"""The self-signed certificate of a trial: generated here, imported into ACM, found again by its tags."""

from __future__ import annotations

import datetime as dt

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ..aws import Aws

TAG_DEPLOYMENT = "beanvault:deployment"
TAG_CERTIFICATE = "beanvault:certificate"
SELF_SIGNED = "self-signed"
LIFETIME = dt.timedelta(days=397)
"""The longest that browsers accept."""
RENEW_BEFORE = dt.timedelta(days=30)
LONGEST_COMMON_NAME = 64
"""X.520, ub-common-name. Clients match the subject alternative name, which has no such limit."""


def self_signed(aws: Aws, name: str, host: str, now: dt.datetime) -> str:
    """Return the ARN of the deployment's self-signed certificate in ACM, creating or renewing it if needed.

    The private key goes from memory to ACM and nowhere else.
    """
    client = aws.client("acm")
    existing = find(aws, name)
    if existing is None:
        certificate, key = make(host, now)
        return client.import_certificate(
            Certificate=certificate,
            PrivateKey=key,
            Tags=[
                {"Key": TAG_DEPLOYMENT, "Value": name},
                {"Key": TAG_CERTIFICATE, "Value": SELF_SIGNED},
            ],
        )["CertificateArn"]
    described = client.describe_certificate(CertificateArn=existing)["Certificate"]
    if host in described["SubjectAlternativeNames"] and described["NotAfter"] - now > RENEW_BEFORE:
        return existing
    certificate, key = make(host, now)
    # Importing under the same ARN leaves the listener as it is.
    return client.import_certificate(CertificateArn=existing, Certificate=certificate, PrivateKey=key)[
        "CertificateArn"
    ]


def find(aws: Aws, name: str) -> str | None:
    """Return the ARN of the self-signed certificate of the deployment *name*."""
    client = aws.client("acm")
    for page in client.get_paginator("list_certificates").paginate(Includes={"keyTypes": ["EC_prime256v1"]}):
        for summary in page["CertificateSummaryList"]:
            arn = summary["CertificateArn"]
            tags = {
                tag["Key"]: tag.get("Value")
                for tag in client.list_tags_for_certificate(CertificateArn=arn)["Tags"]
            }
            if (tags.get(TAG_DEPLOYMENT), tags.get(TAG_CERTIFICATE)) == (name, SELF_SIGNED):
                return arn
    return None


def make(host: str, now: dt.datetime) -> tuple[bytes, bytes]:
    """Return a certificate for *host* and its private key, both PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(host)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return (
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
    )


def _name(host: str) -> x509.Name:
    """Return subject and issuer, which must not be empty (RFC 5280) but can do without a common name."""
    organization = x509.NameAttribute(NameOID.ORGANIZATION_NAME, "beanvault")
    if len(host) > LONGEST_COMMON_NAME:
        return x509.Name([organization])
    return x509.Name([organization, x509.NameAttribute(NameOID.COMMON_NAME, host)])
