"""`HOST:PORT` and IPv6 (beanvault.addresses) in the options and messages of rotate, vault init and listen."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from beanvault import cli
from beanvault.addresses import parse_host_port
from beanvault.commands import vault
from beanvault.context import CommandContext
from beanvault.errors import ConfigurationError, ExitCode
from beanvault.rotation.database import Endpoint
from beanvault.vault.logins import AwsIam
from beanvault.vault.server import VaultServer
from tests.unit.beanvault.answers import Answer, playing


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:13307", ("127.0.0.1", 13307)),
        ("localhost:1", ("localhost", 1)),
        ("[::1]:13307", ("::1", 13307)),
        ("[2001:db8::1]:65535", ("2001:db8::1", 65535)),
    ],
)
def test_a_tunnel_address_is_a_host_and_a_port(text: str, address: tuple[str, int]) -> None:
    assert parse_host_port(text) == address


@pytest.mark.parametrize(
    "text",
    ["db", "db:", ":3306", "db:x", "db:0", "db:65536", "db:²", "::1:3306", "[::1]", "[::1:3306", "a@b:1"],
)
def test_anything_else_is_refused_as_a_tunnel_address(text: str) -> None:
    """An IPv6 address needs brackets: without them its last group could be the port."""
    with pytest.raises(ConfigurationError, match="HOST:PORT"):
        parse_host_port(text)


def test_a_database_endpoint_prints_an_ipv6_address_in_brackets() -> None:
    assert str(Endpoint("2001:db8::1", 3306, Path("ca.pem"))) == "[2001:db8::1]:3306"
    assert str(Endpoint("db.example", 3306, Path("ca.pem"))) == "db.example:3306"


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("https://vault.example:8200/v1", "vault.example"),
        ("https://10.0.0.1", "10.0.0.1"),
        ("https://[2001:db8::1]:8200", "2001:db8::1"),
    ],
)
def test_the_server_id_of_an_aws_login_is_vaults_host(tmp_path: Path, address: str, host: str) -> None:
    config = tmp_path / "beanvault.toml"
    config.write_text('name = "unit"\nregion = "eu-central-1"\n[vault]\nwhere = "host"\n')
    context = CommandContext(config)
    context.aws = playing(lambda_GetFunctionConfiguration=[Answer({"Role": "arn:aws:iam::1:role/r"})])
    login = vault._login(context, VaultServer(address), "aws", "aws", (), None, None)
    assert isinstance(login, AwsIam)
    assert login.server_id == host


@pytest.mark.parametrize("address", ["https://", "https://[::1", "https://vault:port", "https://vault:99999"])
def test_an_invalid_vault_address_is_refused(address: str) -> None:
    with pytest.raises(ConfigurationError, match="is not a valid address") as raised:
        VaultServer(address)
    assert raised.value.remedy


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
