"""`beanvault.artifacts.authorities`: what takes the place of RDS's authorities in function and bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from beanvault.artifacts import authorities
from beanvault.errors import ConfigurationError
from eb_app.settings import RDS_AUTHORITIES
from templates.deployment import Deployment
from templates.deployment_file import parse
from templates.regions import WITH_AUTHORITIES
from testbed.servers.authority import Authority


def _deployment(ca_file: Path | None) -> Deployment:
    tables: dict[str, Any] = {"name": "shop", "region": "eu-central-1", "vault": {"where": "host"}}
    return parse(tables | ({"database": {"ca_file": str(ca_file)}} if ca_file else {}))


def test_a_file_that_names_none_changes_nothing() -> None:
    assert authorities.content(_deployment(None)) is None


def test_only_the_certificates_of_a_file_are_taken(tmp_path: Path) -> None:
    """A private key beside them goes nowhere."""
    authority = Authority(tmp_path)
    key = authority.issue("server").key.read_text()
    assert "PRIVATE KEY" in key
    mixed = tmp_path / "mixed.pem"
    mixed.write_text(f"# ours\n{key}{authority.ca_file.read_text()}")
    content = authorities.content(_deployment(mixed))
    assert content == authority.ca_file.read_bytes()


def test_a_file_without_authorities_is_refused(tmp_path: Path) -> None:
    server = Authority(tmp_path / "authority").issue("server").certificate
    text = tmp_path / "text.pem"
    text.write_text("none")
    for file, problem in (
        (tmp_path / "missing.pem", r"missing\.pem, can't be read: No such file"),
        (tmp_path, "can't be read: Is a directory"),
        (text, "holds no valid PEM certificates"),
        (server, "are no authority: CN=server"),
    ):
        with pytest.raises(ConfigurationError, match=problem) as caught:
            authorities.content(_deployment(file))
        assert "[database] ca_file" in caught.value.remedy


def test_the_regions_of_rdss_authorities_are_read_from_their_names(tmp_path: Path) -> None:
    assert authorities.regions(RDS_AUTHORITIES.read_bytes()) == WITH_AUTHORITIES
    assert authorities.regions(Authority(tmp_path).ca_file.read_bytes()) == frozenset()
