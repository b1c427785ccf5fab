"""What the tests of one run tell the local AWS about the world outside: releases, and how services behave.

The file `scenario.json` in the server's home; it is read at each call that it concerns, so a test can change
the world between two calls. Without the file, the world is as the services' modules say.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

FILE = "scenario.json"


@dataclass(frozen=True, slots=True)
class LocalAwsScenario:
    platform_releases: Mapping[str, str] = field(default_factory=dict)
    """Platform branch to the version that AWS has released in it meanwhile."""
    listener_rules: str = "all"
    """Which rules Beanstalk makes on a shared load balancer: `all`, `default` or `none`."""


def current(home: Path) -> LocalAwsScenario:
    """Return the scenario; an unknown key is an error of the test."""
    file = home / FILE
    return LocalAwsScenario(**json.loads(file.read_text())) if file.exists() else LocalAwsScenario()
