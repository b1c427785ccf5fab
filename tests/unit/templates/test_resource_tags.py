"""`templates.resource_tags`: whose a resource is."""

from templates.resource_tags import tags
from tests.unit.templates.renders import deployment


def test_tags_say_whose_a_resource_is() -> None:
    """The deployment's own tags can't hide ours."""
    found = {tag["Key"]: tag["Value"] for tag in tags(deployment("production"), "network", "vpc").to_dict()}
    assert found == {
        "Name": "beanvault-vpc",
        "owner": "platform",
        "beanvault:deployment": "beanvault",
        "beanvault:layer": "network",
    }
