"""`templates.layers`: rendered templates are fixtures, so that a review sees what CloudFormation receives."""

import pytest

from templates.layers import LAYERS, layers_of
from templates.rendering import TEMPLATE_LIMIT
from tests.unit.templates.renders import CONFIGURATIONS, FILES, FIXTURES, deployment, layers, text


@pytest.mark.parametrize("configuration", FILES)
def test_a_render_is_what_was_reviewed(configuration: str) -> None:
    """After an intended change run `python -m tests.unit.templates.renders`, and review the diff."""
    reviewed = {path.stem: path.read_text() for path in (FIXTURES / configuration).glob("*.yaml")}
    rendered = {layer: text(configuration, layer) for layer in layers_of(deployment(configuration))}
    assert reviewed.keys() == rendered.keys()
    for layer in rendered:
        assert rendered[layer] == reviewed[layer], layer


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_a_template_fits_into_a_request(configuration: str) -> None:
    """What is larger would have to be uploaded first."""
    for layer in LAYERS:
        assert len(text(configuration, layer).encode()) <= TEMPLATE_LIMIT, layer


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_layers_import_only_what_earlier_layers_export(configuration: str) -> None:
    """No stack waits for a later one, and no export is misspelt."""
    exported: set[str] = set()
    imports = 0
    for layer, template in layers(configuration).items():
        needed = set(_imports(template))
        imports += len(needed)
        assert needed <= exported, f"{layer} imports {needed - exported}"
        exported |= {output["Export"]["Name"] for output in template.get("Outputs", {}).values()}
    assert imports > 20


def test_two_deployments_share_no_name() -> None:
    """Names that must be unique in an account begin with the deployment's own."""
    for layer in LAYERS:
        dev, production = _names(layers("dev")[layer]), _names(layers("production")[layer])
        # Beanstalk has one bucket per account and region, whatever the number of deployments.
        assert {name for name in dev & production if "elasticbeanstalk-" not in name} == set(), layer


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_nothing_outlives_a_creation_that_failed(configuration: str) -> None:
    """`Retain` survives a roll-back: a name blocks the next attempt, and a key costs a dollar a month.

    `RetainExceptOnCreate` is deleted with the creation that failed, and kept by all that comes later.
    """
    for layer, template in layers(configuration).items():
        for name, resource in template["Resources"].items():
            assert resource.get("DeletionPolicy") != "Retain", f"{layer}: {name}"


@pytest.mark.parametrize(("configuration", "has_vault"), [("dev", True), ("production", False)])
def test_optional_layers_are_left_out(configuration: str, has_vault: bool) -> None:
    """A deployment with Vault elsewhere has no stack for it."""
    expected = [layer for layer in LAYERS if has_vault or layer != "vault"]
    assert list(layers_of(deployment(configuration))) == expected


_NAMING = (
    "AlarmName",
    "AliasName",
    "ApplicationName",
    "DashboardName",
    "DBInstanceIdentifier",
    "EnvironmentName",
    "FunctionName",
    "LogGroupName",
    "QueueName",
    "RoleName",
    "TopicName",
)


def _names(template: object) -> set[str]:
    found = set()
    for resource in template["Resources"].values():  # type: ignore[index]  # a rendered template
        for key, value in resource.get("Properties", {}).items():
            if (key in _NAMING or key == "Name") and isinstance(value, str):
                found.add(value)
    return found


def _imports(value: object) -> list[str]:
    if isinstance(value, dict):
        own = [value["Fn::ImportValue"]] if "Fn::ImportValue" in value else []
        return own + [name for item in value.values() for name in _imports(item)]
    if isinstance(value, list):
        return [name for item in value for name in _imports(item)]
    return []


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_every_function_has_a_decided_number_of_retries(configuration: str) -> None:
    """Lambda invokes all of ours asynchronously, and runs what failed twice more unless told otherwise.

    CloudFormation has its answer by then and may have rolled back: its functions are run once, not later than
    it waits, and not before that is configured.
    """
    for layer, template in layers(configuration).items():
        made = template["Resources"]
        configs = {
            resource["Properties"]["FunctionName"]["Ref"]: (name, resource["Properties"])
            for name, resource in made.items()
            if resource["Type"] == "AWS::Lambda::EventInvokeConfig"
        }
        functions = {name for name, each in made.items() if each["Type"] == "AWS::Lambda::Function"}
        assert configs.keys() == functions, layer
        for resource in made.values():
            if not resource["Type"].startswith("Custom::"):
                continue
            function = resource["Properties"]["ServiceToken"]["Fn::GetAtt"][0]
            waits = int(resource["Properties"]["ServiceTimeout"])
            name, config = configs[function]
            assert config["MaximumRetryAttempts"] == 0, function
            assert config["MaximumEventAgeInSeconds"] <= waits, function
            assert int(made[function]["Properties"]["Timeout"]) < waits, function
            assert name in resource["DependsOn"], function
