"""Story of beanvault/vault/server.py, beanvault/rotation/database.py and beanvault/commands/listen.py.

Addresses in vault.server, rotation.database and commands/listen.py, IPv6 among them.
"""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from beanvault import cli
from beanvault.errors import ConfigurationError, ExitCode
from beanvault.rotation.database import Endpoint
from beanvault.vault.server import VaultServer


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("https://vault.example:8200/v1", "vault.example"),
        ("https://10.0.0.1", "10.0.0.1"),
        ("https://[2001:db8::1]:8200", "2001:db8::1"),
    ],
)
def test_the_host_of_a_vault_address_has_no_port_and_no_brackets(address: str, host: str) -> None:
    assert VaultServer(address).host == host


@pytest.mark.parametrize("address", ["https://", "https://[::1", "https://vault:port", "https://vault:99999"])
def test_an_invalid_vault_address_is_refused(address: str) -> None:
    with pytest.raises(ConfigurationError, match="is not a valid address") as raised:
        VaultServer(address)
    assert raised.value.remedy


def test_a_database_endpoint_prints_an_ipv6_address_in_brackets() -> None:
    assert str(Endpoint("2001:db8::1", 3306, Path("ca.pem"))) == "[2001:db8::1]:3306"
    assert str(Endpoint("db.example", 3306, Path("ca.pem"))) == "db.example:3306"


def test_a_port_in_use_is_reported_with_the_address_to_change(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "beanvault.toml"
    config.write_text('name = "unit"\nregion = "eu-central-1"\n[vault]\nwhere = "host"\n')
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as taken:
        port = str(taken.getsockname()[1])
        code = cli.run(["--config", str(config), "listen", "--host", "::1", "--port", port])
    assert code == ExitCode.FAILED
    assert f"[::1]:{port}" in capsys.readouterr().err
