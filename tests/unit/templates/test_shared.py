"""What every layer stands on: both ends of an export, suppressions, rendering."""

import json

import pytest
from troposphere import Template, ec2

from templates.layer_outputs import LayerOutput
from templates.layers import LAYERS, layers_of
from templates.rendering import TEMPLATE_LIMIT, new_template, render
from templates.resource_tags import tags
from templates.suppressions import suppress, suppressions
from tests.unit.templates.renders import deployment

THING = LayerOutput("network", "Thing")


def _template(resources: int = 1) -> Template:
    template = new_template(deployment("dev"), "network", "a test")
    for index in range(resources):
        template.add_resource(
            ec2.VPC(f"Vpc{index}", CidrBlock="10.0.0.0/16", Tags=tags(deployment("dev"), "network", "vpc"))
        )
    return template


def test_both_ends_of_an_export_have_one_name() -> None:
    """The importing stack asks for what the exporting one publishes."""
    exported = THING.output(deployment("dev"), "value", "a thing").to_dict()["Export"]["Name"]
    assert exported == "beanvault-dev-network-Thing"
    assert THING.imported(deployment("dev")).to_dict() == {"Fn::ImportValue": exported}


def test_tags_say_whose_a_resource_is() -> None:
    """The deployment's own tags can't hide ours."""
    found = {tag["Key"]: tag["Value"] for tag in tags(deployment("production"), "network", "vpc").to_dict()}
    assert found == {
        "Name": "beanvault-vpc",
        "owner": "platform",
        "beanvault:deployment": "beanvault",
        "beanvault:layer": "network",
    }


def test_a_suppression_is_written_as_its_checker_reads_it_and_read_back() -> None:
    """Each checker has its own form; the reasons are counted in one."""
    template = _template()
    vpc = template.resources["Vpc0"]
    for rule in ("CKV_AWS_1", "CKV2_AWS_2", "W3011", "AwsSolutions-VPC7", "NIST.800.53.R5-VPCNoUnrestricted"):
        suppress(vpc, rule, f"because of {rule}")
    metadata = template.to_dict()["Resources"]["Vpc0"]["Metadata"]
    assert [entry["id"] for entry in metadata["checkov"]["skip"]] == ["CKV_AWS_1", "CKV2_AWS_2"]
    assert metadata["cfn-lint"]["config"]["ignore_checks"] == ["W3011"]
    assert len(metadata["cdk_nag"]["rules_to_suppress"]) == 2
    found = suppressions(template.to_dict())
    assert len(found) == 5
    assert all(reason == f"because of {rule}" for _, rule, reason in found)


def test_a_render_says_first_what_it_is() -> None:
    """Description, resources, outputs; a resource's type before its properties."""
    template = _template()
    template.add_output(THING.output(deployment("dev"), "value", "a thing"))
    lines = render(template).splitlines()
    top = [line.split(":")[0] for line in lines if line[0].isalpha()]
    assert top == ["Description", "Resources", "Outputs"]
    assert lines[lines.index("  Vpc0:") + 1] == "    Type: AWS::EC2::VPC"


def test_what_is_too_long_to_read_becomes_compact() -> None:
    """The same template, as JSON without spaces."""
    template = _template(resources=200)
    text = render(template)
    assert len(template.to_yaml().encode()) > TEMPLATE_LIMIT > len(text.encode())
    assert json.loads(text) == template.to_dict()


@pytest.mark.parametrize(("configuration", "has_vault"), [("dev", True), ("production", False)])
def test_optional_layers_are_left_out(configuration: str, has_vault: bool) -> None:
    """A deployment with Vault elsewhere has no stack for it."""
    expected = [layer for layer in LAYERS if has_vault or layer != "vault"]
    assert list(layers_of(deployment(configuration))) == expected
