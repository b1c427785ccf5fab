"""`templates.rendering`: what CloudFormation receives is readable where it fits."""

import json

from troposphere import Template, ec2

from templates.layer_outputs import LayerOutput
from templates.rendering import TEMPLATE_LIMIT, new_template, render
from templates.resource_tags import tags
from tests.unit.templates.renders import deployment

THING = LayerOutput("network", "Thing")


def _template(resources: int = 1) -> Template:
    template = new_template(deployment("dev"), "network", "a test")
    for index in range(resources):
        template.add_resource(
            ec2.VPC(f"Vpc{index}", CidrBlock="10.0.0.0/16", Tags=tags(deployment("dev"), "network", "vpc"))
        )
    return template


def test_a_render_begins_with_its_description() -> None:
    """Description, resources, outputs; a resource's type before its properties."""
    template = _template()
    template.add_output(THING.output(deployment("dev"), "value", "a thing"))
    lines = render(template).splitlines()
    top = [line.split(":")[0] for line in lines if line[0].isalpha()]
    assert top == ["Description", "Resources", "Outputs"]
    assert lines[lines.index("  Vpc0:") + 1] == "    Type: AWS::EC2::VPC"


def test_a_template_over_the_limit_is_rendered_compactly() -> None:
    """The same template, as JSON without spaces."""
    template = _template(resources=200)
    text = render(template)
    assert len(template.to_yaml().encode()) > TEMPLATE_LIMIT > len(text.encode())
    assert json.loads(text) == template.to_dict()
