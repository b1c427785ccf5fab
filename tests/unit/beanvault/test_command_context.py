"""`beanvault.command_context`: how a printed command names the deployment file."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from beanvault import DEFAULT_CONFIG
from beanvault.command_context import CommandContext


def test_the_default_file_is_not_named() -> None:
    assert CommandContext(DEFAULT_CONFIG, Path()).call == "beanvault"
    assert CommandContext(Path("./beanvault.toml"), Path()).call == "beanvault"


@pytest.mark.parametrize("config", ["config/dev.toml", "/etc/my shop/beanvault.toml", "a'b.toml"])
def test_another_file_is_named_as_one_word(config: str) -> None:
    call = CommandContext(Path(config), Path()).call
    assert shlex.split(call) == ["beanvault", "--config", config]
