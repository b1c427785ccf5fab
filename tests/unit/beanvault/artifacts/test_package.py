"""Which entries of a lock go into a function's zip."""

from __future__ import annotations

import pytest

from beanvault.artifacts.package import locked
from beanvault.errors import ConfigurationError

LOCK = """\
# written by a tool
boto3==1.40.0 \\
    --hash=sha256:aa
hvac==2.4.0 \\
    --hash=sha256:bb \\
    --hash=sha256:cc
    # via -r something
pymysql[rsa]==1.1.2 \\
    --hash=sha256:dd
"""


def test_everything_but_what_the_runtime_brings() -> None:
    assert locked(LOCK, ()) == (
        "hvac==2.4.0 \\\n    --hash=sha256:bb \\\n    --hash=sha256:cc\n"
        "pymysql[rsa]==1.1.2 \\\n    --hash=sha256:dd\n"
    )


def test_only_what_is_named_with_its_hashes() -> None:
    assert locked(LOCK, ("pymysql",)) == "pymysql[rsa]==1.1.2 \\\n    --hash=sha256:dd\n"


def test_what_the_lock_lacks_is_named() -> None:
    with pytest.raises(ConfigurationError, match="lacks flask"):
        locked(LOCK, ("flask", "hvac"))
