"""Reading a file that should contain a Vault's keys."""

from __future__ import annotations

from pathlib import Path

import pytest

from beanvault.errors import ConfigurationError
from beanvault.vault.keys import Keys

CANARY = "canary-0c44"


def test_keys_are_read_as_they_were_written(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    for keys in (Keys("token", ("a", "b")), Keys("token", ("a",), recovery=True, root_encrypted=True)):
        file.write_text(keys.as_json())
        assert Keys.read(file) == keys


@pytest.mark.parametrize(
    "text",
    [
        CANARY,
        "[]",
        "7",
        "{}",
        f'{{"root_token": "{CANARY}"}}',
        f'{{"root_token": "{CANARY}", "unseal_keys": "{CANARY}", "pgp_encrypted": false}}',
    ],
)
def test_another_file_is_refused_without_a_word_of_it(tmp_path: Path, text: str) -> None:
    file = tmp_path / "keys.json"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=r"keys\.json is not a") as raised:
        Keys.read(file)
    assert CANARY not in str(raised.value)
