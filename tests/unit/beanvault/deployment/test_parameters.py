"""The parameters of the templates."""

from __future__ import annotations

from pathlib import Path

import pytest

from beanvault.deployment.parameters import PARAMETERS
from templates.deployment_file import read
from templates.layers import LAYERS


@pytest.mark.parametrize("file", ["dev.toml", "production.toml"])
def test_every_parameter_of_every_layer_has_a_value(file: str) -> None:
    deployment = read(Path(__file__).resolve().parents[4] / "config" / file)
    declared = {name for build in LAYERS.values() for name in build(deployment).parameters}
    assert {"FunctionCodeBucket", "FunctionCodeKey"} <= declared
    assert declared <= PARAMETERS.keys()
