"""`templates.layer_outputs`: both ends of an export have one name."""

from templates.layer_outputs import LayerOutput
from tests.unit.templates.renders import deployment


def test_both_ends_of_an_export_have_one_name() -> None:
    """The importing stack imports what the exporting one publishes."""
    thing = LayerOutput("network", "Thing")
    exported = thing.output(deployment("dev"), "value", "a thing").to_dict()["Export"]["Name"]
    assert exported == "beanvault-dev-network-Thing"
    assert thing.imported(deployment("dev")).to_dict() == {"Fn::ImportValue": exported}
