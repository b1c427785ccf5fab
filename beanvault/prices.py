"""AWS's list prices, for what a deletion leaves and for docs/cost.md: `prices.toml` beside this module."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

_FILE: Mapping[str, Any] = tomllib.loads(Path(__file__).with_name("prices.toml").read_text())


@dataclass(frozen=True, slots=True)
class Price:
    dollars: float
    unit: str
    page: str
    """AWS's page, to check it at."""
    source: str
    """Where it was taken from."""


NOTED: str = str(_FILE["noted"])
PRICES: Mapping[str, Price] = MappingProxyType({name: Price(*row) for name, row in _FILE["price"].items()})
"""By name; US dollars in us-east-1."""
ASSUMED: Mapping[str, Any] = MappingProxyType(_FILE["assumed"])
"""Quantities that are not in the templates; of two numbers, the second is for production."""
