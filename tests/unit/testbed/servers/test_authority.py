"""The certificates that the test bed's servers present."""

from __future__ import annotations

from pathlib import Path

from cryptography import x509

from testbed.servers.authority import Authority


def test_a_certificate_names_every_host_also_one_over_64_characters(tmp_path: Path) -> None:
    host = f"{'app' * 20}.{'platform' * 5}.example.com"
    pair = Authority(tmp_path).issue("app", (host, "127.0.0.1"))
    certificate = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [host]
