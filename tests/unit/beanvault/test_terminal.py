"""Story of beanvault/terminal.py and beanvault/ui.py.

What the terminal prints while stacks are deployed.
"""

from __future__ import annotations

import io

from rich.console import Console

from beanvault.terminal import CREATION_MINUTES, Terminal
from templates.layers import LAYERS


def test_every_layer_has_its_usual_duration() -> None:
    assert CREATION_MINUTES.keys() == LAYERS.keys()


def test_a_deployment_prints_stack_and_duration() -> None:
    output = io.StringIO()
    Terminal(Console(file=output, soft_wrap=True)).deploying("shop-data", "data")
    assert "shop-data: deploying (usually 25 min when new)" in output.getvalue()
