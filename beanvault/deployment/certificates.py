"""The certificate of a trial: made here, imported into ACM, found again by its tag."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ..aws import Aws

if TYPE_CHECKING:
    from mypy_boto3_acm import ACMClient

TAG = "beanvault:deployment"
LIFETIME = dt.timedelta(days=397)
"""The longest browsers accept of a certificate."""
RENEW = dt.timedelta(days=30)


def self_signed(aws: Aws, name: str, host: str, now: dt.datetime) -> str:
    """Return the ARN of the deployment's self-signed certificate in ACM, making or renewing it where needed.

    The private key goes from memory to ACM and nowhere else.
    """
    client: ACMClient = aws.client("acm")
    held = find(aws, name)
    if held is not None:
        described = client.describe_certificate(CertificateArn=held)["Certificate"]
        if described["DomainName"] == host and described["NotAfter"] - now > RENEW:
            return held
    certificate, key = make(host, now)
    if held is not None:  # importing over it keeps the ARN, and with it the listener
        return client.import_certificate(CertificateArn=held, Certificate=certificate, PrivateKey=key)[
            "CertificateArn"
        ]
    tags = [{"Key": TAG, "Value": name}, {"Key": "beanvault:certificate", "Value": "self-signed"}]
    return client.import_certificate(Certificate=certificate, PrivateKey=key, Tags=tags)["CertificateArn"]  # type: ignore[arg-type]  # plain dictionaries are what the stubs' types are


def find(aws: Aws, name: str) -> str | None:
    """Return the ARN of the self-signed certificate of the deployment *name*."""
    client: ACMClient = aws.client("acm")
    for page in client.get_paginator("list_certificates").paginate(Includes={"keyTypes": ["EC_prime256v1"]}):
        for summary in page["CertificateSummaryList"]:
            arn = summary["CertificateArn"]
            tags = {
                tag["Key"]: tag.get("Value", "")
                for tag in client.list_tags_for_certificate(CertificateArn=arn)["Tags"]
            }
            if tags.get(TAG) == name and tags.get("beanvault:certificate") == "self-signed":
                return arn
    return None


def make(host: str, now: dt.datetime) -> tuple[bytes, bytes]:
    """Return certificate and private key, both PEM, for *host*."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
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
