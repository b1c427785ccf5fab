"""Prices that the code names are there, and each can be checked."""

from __future__ import annotations

import re

import pytest

from beanvault.prices import NOTED, PRICES
from tests.project import ROOT


def test_each_price_is_positive_and_has_aws_page() -> None:
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", NOTED)
    for price in PRICES.values():
        assert price.dollars > 0
        assert price.page.startswith("https://aws.amazon.com/")
        assert price.unit
        assert price.source


@pytest.mark.parametrize("module", ["beanvault/teardown/retained.py", "scripts/docs/cost.py"])
def test_the_code_names_only_prices_that_exist(module: str) -> None:
    named = set(re.findall(r'PRICES\["([^"]+)"\]', (ROOT / module).read_text()))
    assert named <= PRICES.keys()
    assert named or module.endswith("cost.py")
