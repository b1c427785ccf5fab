"""The certificate authorities of the database: those of RDS in the project, or those of the deployment file.

The bootstrap and the app trust one file, which is part of the function's zip and of the source bundle. A file
that the deployment names takes its place there.
"""

from __future__ import annotations

from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from templates.deployment import Deployment

from ..errors import ConfigurationError

FILE = "eb_app/certs/rds-global-bundle.pem"
"""In the project; the bootstrap's folder has a link to it."""


def content(deployment: Deployment) -> bytes | None:
    """Return the authorities that the deployment file names; None where it names no file.

    Only certificates are taken from the file: a private key beside them stays where it is.

    Raises:
        ConfigurationError: the file can't be read, or holds no certificate of an authority
    """
    if deployment.database.ca_file is None:
        return None
    path = Path(deployment.database.ca_file).expanduser()
    remedy = "set [database] ca_file to a PEM file with the authorities of the database"
    try:
        certificates = x509.load_pem_x509_certificates(path.read_bytes())
    except OSError as error:
        raise ConfigurationError(
            f"the authorities of the database, {path.absolute()}, can't be read: "
            f"{error.strerror or type(error).__name__}",
            remedy,
        ) from None
    except ValueError:
        raise ConfigurationError(f"{path.absolute()} holds no valid PEM certificates", remedy) from None
    if others := [str(each.subject.rfc4514_string()) for each in certificates if not _is_authority(each)]:
        raise ConfigurationError(
            f"{path.absolute()} holds certificates that are no authority: {', '.join(others)}", remedy
        )
    return b"".join(each.public_bytes(Encoding.PEM) for each in certificates)


def regions(pem: bytes) -> frozenset[str]:
    """Return the regions whose RDS authorities are among the certificates *pem*."""
    found: set[str] = set()
    for authority in x509.load_pem_x509_certificates(pem):
        for attribute in authority.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME):
            # https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.SSL.html
            words = str(attribute.value).split()
            if words[:2] == ["Amazon", "RDS"] and words[3:5] == ["Root", "CA"]:
                found.add(words[2])
    return frozenset(found)


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False
