"""What is wrong with the connection secret is said, and its values are not."""

from __future__ import annotations

import json

import pytest

from replicator.errors import ConfigError
from replicator.login import parse_connection


@pytest.mark.parametrize(
    ("content", "key"),
    [
        ({"auth": {"method": "token", "token": "canary\n"}}, "auth.token"),
        ({"vaultToken": " canary"}, "auth.token"),
        (
            {"auth": {"method": "approle", "role_id": "canary", "wrapped_secret_id": "canary\r\n"}},
            "wrapped_secret_id",
        ),
    ],
)
def test_white_space_around_a_credential_is_told(content: dict[str, object], key: str) -> None:
    """It comes from `echo` or an editor, and neither Vault nor HTTP would say so."""
    address = "vaultAddress" if "vaultToken" in content else "address"
    text = json.dumps({address: "https://vault.example", **content})
    with pytest.raises(ConfigError, match=f"{key} begins or ends with white space") as caught:
        parse_connection(text, allow_http=False)
    assert "canary" not in str(caught.value)
