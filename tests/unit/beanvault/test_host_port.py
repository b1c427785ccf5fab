"""IPv6 addresses on the command line: of Vault (`commands/vault.py`) and of HOST:PORT (`host_port.py`)."""

from __future__ import annotations

from pathlib import Path

import pytest

from beanvault.command_context import CommandContext
from beanvault.commands.vault import _login
from beanvault.errors import ConfigurationError
from beanvault.host_port import join_host_port, split_host_port
from beanvault.vault.logins import AwsIam
from beanvault.vault.server import VaultServer

from .answers import Answer, playing


def test_the_aws_login_is_bound_to_the_whole_address_of_vault(tmp_path: Path) -> None:
    """The text before the first colon would be `[2001`."""
    config = tmp_path / "beanvault.toml"
    config.write_text('name = "unit"\nregion = "eu-central-1"\n[vault]\nwhere = "host"\n')
    context = CommandContext(config, tmp_path)
    role = "arn:aws:iam::123456789012:role/unit-replicator"
    context.aws = playing(lambda_GetFunctionConfiguration=[Answer({"Role": role})])
    login = _login(context, VaultServer("https://[2001:db8::1]:8200"), "aws", "aws", (), None, None)
    assert isinstance(login, AwsIam)
    assert login.server_id == "2001:db8::1"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:13307", ("127.0.0.1", 13307)),
        ("database.example.com:3306", ("database.example.com", 3306)),
        ("[::1]:13307", ("::1", 13307)),
    ],
)
def test_a_tunnel_is_given_as_host_and_port(text: str, address: tuple[str, int]) -> None:
    """An IPv6 address is in brackets, as in a URL; a socket takes it without them."""
    assert split_host_port(text) == address
    assert join_host_port(*address) == text


@pytest.mark.parametrize(
    "text", [" host:80", "127.0.0.1", "::1", "host:", ":3306", "host:many", "host:99999", "[::1:3306"]
)
def test_another_text_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="HOST:PORT"):
        split_host_port(text)
