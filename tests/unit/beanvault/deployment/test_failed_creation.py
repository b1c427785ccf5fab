"""What a failed creation can leave, against what the templates keep."""

from __future__ import annotations

import pytest

from beanvault.deployment.failed_creation import KEPT

from ...templates.renders import CONFIGURATIONS, layers


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_everything_that_a_stack_keeps_can_be_deleted_after_a_failed_creation(configuration: str) -> None:
    kept = {
        resource["Type"]
        for template in layers(configuration).values()
        for resource in template["Resources"].values()
        if resource.get("DeletionPolicy") == "RetainExceptOnCreate"
    }
    assert kept <= KEPT.keys()
    assert "AWS::KMS::Key" in kept
