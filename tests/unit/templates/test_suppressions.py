"""`templates.suppressions`: each checker finds its suppressions, and each has a reason."""

import pytest
from troposphere import Template, ec2

from templates.suppressions import suppress, suppressions
from tests.unit.templates.renders import CONFIGURATIONS, layers


def test_a_suppression_has_its_checkers_form_and_is_read_back() -> None:
    """Each checker has its own form; `suppressions` reads all of them."""
    template = Template()
    vpc = template.add_resource(ec2.VPC("Vpc0", CidrBlock="10.0.0.0/16"))
    for rule in ("CKV_AWS_1", "CKV2_AWS_2", "W3011", "AwsSolutions-VPC7", "NIST.800.53.R5-VPCNoUnrestricted"):
        suppress(vpc, rule, f"because of {rule}")
    metadata = template.to_dict()["Resources"]["Vpc0"]["Metadata"]
    assert [entry["id"] for entry in metadata["checkov"]["skip"]] == ["CKV_AWS_1", "CKV2_AWS_2"]
    assert metadata["cfn-lint"]["config"]["ignore_checks"] == ["W3011"]
    assert len(metadata["cdk_nag"]["rules_to_suppress"]) == 2
    found = suppressions(template.to_dict())
    assert len(found) == 5
    assert all(reason == f"because of {rule}" for _, rule, reason in found)


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_every_suppression_has_a_reason_in_words(configuration: str) -> None:
    """A rule is not silenced by its number alone."""
    found = [entry for template in layers(configuration).values() for entry in suppressions(template)]
    assert found
    for resource, rule, reason in found:
        assert len(reason.split()) >= 6, f"{resource} {rule}: {reason}"
