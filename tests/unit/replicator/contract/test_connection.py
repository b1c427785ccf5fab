"""The connection secret: all problems are reported, values never are."""

from __future__ import annotations

import json

import pytest

from replicator.contract.connection import (
    REQUIRED_KEYS,
    LoginMethod,
    VaultAddress,
    parse_connection,
    render_connection,
)
from replicator.errors import ConfigError


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
def test_white_space_around_a_credential_is_reported(content: dict[str, object], key: str) -> None:
    """It comes from `echo` or an editor, and neither Vault nor HTTP would report it."""
    address = "vaultAddress" if "vaultToken" in content else "address"
    text = json.dumps({address: "https://vault.example", **content})
    with pytest.raises(ConfigError, match=f"{key} begins or ends with white space") as caught:
        parse_connection(text, allow_http=False)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        "https://[::1",
        "https://vault:port",
        "https://vault:99999",
        "https://vault#1",
        "https://vault?x",
        "vault",
    ],
)
def test_an_address_that_no_request_can_go_to_is_reported(address: str) -> None:
    content = {"address": address, "auth": {"method": "token", "token": "canary"}}
    with pytest.raises(ConfigError, match="the connection secret: address") as caught:
        parse_connection(json.dumps(content), allow_http=False)
    assert "canary" not in str(caught.value)


def test_a_key_of_auth_that_is_not_text_is_reported() -> None:
    auth = {"method": "jwt", "role": "r", "audience": "a", "mount": 5}
    content = {"address": "https://vault.example", "auth": auth}
    with pytest.raises(ConfigError, match=r"auth\.mount is not a string"):
        parse_connection(json.dumps(content), allow_http=False)


@pytest.mark.parametrize("method", LoginMethod)
def test_what_is_built_for_each_method_is_read_again(method: LoginMethod) -> None:
    keys = (*REQUIRED_KEYS[method], *(("secret_id",) if method is LoginMethod.APPROLE else ()))
    auth = {"method": method.value, **dict.fromkeys(keys, "canary")}
    address = VaultAddress("https://vault.example", "team")
    connection = parse_connection(render_connection(address, auth), allow_http=False)
    assert (connection.address, connection.auth) == (address, auth)
    assert (connection.method, connection.mount) == (method, method.value)
    assert "canary" not in repr(connection)


@pytest.mark.parametrize("method", LoginMethod)
def test_all_keys_that_a_method_lacks_are_named(method: LoginMethod) -> None:
    content = {"address": "https://vault.example", "auth": {"method": method.value}}
    with pytest.raises(ConfigError) as caught:
        parse_connection(json.dumps(content), allow_http=False)
    assert all(f"auth.{key} is missing" in str(caught.value) for key in REQUIRED_KEYS[method])
