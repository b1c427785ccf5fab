"""Story of replicator/tls.py and beanvault/vault/errors.py.

What Python 3.13 and later refuse about Vault's certificate is refused on every Python, and named.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from beanvault.errors import ConfigurationError, Unreachable
from beanvault.vault.server import VaultServer, seal_status
from replicator.contract.connection import VaultAddress
from replicator.errors import SourceUnavailable
from replicator.vault import Timeouts, Vault
from testbed.servers.authority import Authority, KeyPair
from testbed.servers.proxy import Proxy, ProxyAnswer

ONCE = Timeouts(attempts=1)
EMPTY = ProxyAnswer(200, b'{"data": {}}', "application/json")


@dataclass(frozen=True)
class Flaws:
    """What a private authority leaves out, as many do that were made by a few `openssl` commands."""

    authority_key_identifier: bool = True
    subject_key_identifier: bool = True
    key_usage: bool = True
    critical: bool = True


def issued(folder: Path, made: Flaws) -> tuple[Path, KeyPair]:
    """Return the authority's file and a certificate for loopback."""
    folder.mkdir()
    now = dt.datetime.now(dt.UTC)
    root, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a company's authority")])

    def builder(subject: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        new = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(public)
        new = new.serial_number(x509.random_serial_number())
        return new.not_valid_before(now - dt.timedelta(hours=1)).not_valid_after(now + dt.timedelta(hours=1))

    authority = builder(issuer, root.public_key()).add_extension(
        x509.BasicConstraints(ca=True, path_length=None), critical=made.critical
    )
    if made.key_usage:
        usage = dict.fromkeys(
            (
                *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"),
                *("key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
            ),
            False,
        )
        authority = authority.add_extension(x509.KeyUsage(**usage | {"key_cert_sign": True}), critical=True)
    if made.subject_key_identifier:
        identifier = x509.SubjectKeyIdentifier.from_public_key(root.public_key())
        authority = authority.add_extension(identifier, critical=False)
    loopback = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "vault")])
    server = builder(subject, key.public_key()).add_extension(
        x509.SubjectAlternativeName([loopback]), critical=False
    )
    if made.authority_key_identifier:
        of_root = x509.AuthorityKeyIdentifier.from_issuer_public_key(root.public_key())
        server = server.add_extension(of_root, critical=False)
    ca_file, pair = folder / "ca.pem", KeyPair(folder / "vault.pem", folder / "vault.key")
    pem = serialization.Encoding.PEM
    ca_file.write_bytes(authority.sign(root, hashes.SHA256()).public_bytes(pem))
    pair.certificate.write_bytes(server.sign(root, hashes.SHA256()).public_bytes(pem))
    plain = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    pair.key.write_bytes(key.private_bytes(pem, *plain))
    return ca_file, pair


def serve(ca_file: Path, pair: KeyPair) -> Iterator[VaultServer]:
    proxy = Proxy("http://127.0.0.1:1", pair=pair)
    proxy.rule = lambda _: EMPTY
    try:
        yield VaultServer(proxy.address, ca_file)
    finally:
        proxy.close()


FLAWS = {
    "authority key identifier": Flaws(authority_key_identifier=False),
    "subject key identifier": Flaws(subject_key_identifier=False),
    "key usage": Flaws(key_usage=False),
    "basic constraints": Flaws(critical=False),
}


@pytest.mark.parametrize("extension", FLAWS)
def test_the_extension_that_a_private_authority_left_out_is_named(tmp_path: Path, extension: str) -> None:
    """Lambda's Python refuses the certificate; this machine's must too, before the function is told."""
    for server in serve(*issued(tmp_path / "authority", FLAWS[extension])):
        address = VaultAddress(server.address, None, server.ca_bundle)
        with closing(Vault(address, timeouts=ONCE)) as vault, pytest.raises(SourceUnavailable) as refused:
            vault.read("kv/app")
        assert f"extension {extension}" in str(refused.value)
        with pytest.raises(Unreachable) as told:
            seal_status(server)
        assert f"extension {extension}" in str(told.value)
        assert "issue" in told.value.remedy


def test_a_complete_authority_is_accepted(tmp_path: Path) -> None:
    for server in serve(*issued(tmp_path / "authority", Flaws())):
        address = VaultAddress(server.address, None, server.ca_bundle)
        with closing(Vault(address, timeouts=ONCE)) as vault:
            assert vault.read("kv/app") == {}
        assert server.client().read("kv/app") == {"data": {}}


def test_another_authority_and_another_name_are_told_from_a_missing_extension(tmp_path: Path) -> None:
    _, pair = issued(tmp_path / "authority", Flaws())
    other = Authority(tmp_path / "other")
    named = other.issue("vault", ["vault.example"])
    for ca_file, used in ((other.ca_file, pair), (other.ca_file, named)):
        for server in serve(ca_file, used):
            address = VaultAddress(server.address, None, server.ca_bundle)
            with closing(Vault(address, timeouts=ONCE)) as vault, pytest.raises(SourceUnavailable) as refused:
                vault.read("kv/app")
            assert "certificate is not trusted" in str(refused.value)
            with pytest.raises(Unreachable) as told:
                seal_status(server)
            assert "--vault-ca-file" in told.value.remedy


def test_a_file_that_holds_no_certificate_is_named(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(ConfigurationError, match=r"ca\.pem contains no PEM certificate"):
        seal_status(VaultServer("https://127.0.0.1:1", tmp_path / "ca.pem"))
