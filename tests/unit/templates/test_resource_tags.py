"""`templates.resource_tags`: a resource names its deployment and layer."""

from templates.resource_tags import tags
from tests.unit.templates.renders import deployment


def test_tags_name_deployment_and_layer() -> None:
    """Tags of the deployment file cannot override the project's."""
    found = {tag["Key"]: tag["Value"] for tag in tags(deployment("production"), "network", "vpc").to_dict()}
    assert found == {
        "Name": "beanvault-vpc",
        "owner": "platform",
        "beanvault:deployment": "beanvault",
        "beanvault:layer": "network",
    }
