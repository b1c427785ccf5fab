"""From the layers of a deployment to its stacks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from troposphere import Output

from beanvault.cloudformation.stack import StackError
from beanvault.deployment.deploy import deploy, select, stack_spec
from beanvault.deployment.deployment_context import DeploymentContext
from beanvault.errors import BeanvaultError, ConfigurationError
from beanvault.ui import NullUi
from templates.deployment_file import parse, read
from templates.layers import LAYERS
from templates.rendering import TEMPLATE_LIMIT

from ..cloudformation_answers import CHANGE_SET, Answers, account_with_uploads, played_answers

__all__ = ["played_answers"]

ROOT = Path(__file__).resolve().parents[4]


def test_layers_come_in_the_order_of_deployment_however_they_are_named() -> None:
    assert select(()) == tuple(LAYERS)
    first, second, *_ = LAYERS
    assert select((second, first)) == (first, second)
    with pytest.raises(ConfigurationError, match="no layer walls"):
        select(("walls",))


def test_a_template_that_is_too_long_for_a_request_is_uploaded_to_the_bucket(answers: Answers) -> None:
    """Once a layer has created the bucket; before that it is an error with a remedy."""
    variables = {f"SETTING_{number}": "x" * 900 for number in range(60)}
    tables = {"name": "beanvault-dev", "region": "eu-central-1", "vault": {"where": "host"}}
    long = parse({**tables, "app": {"environment": variables}})
    context = DeploymentContext(long, account_with_uploads(answers, creating=False), NullUi(), ROOT)
    for _ in range(2):  # whether the environment and its platform are new
        answers.status("CREATE_COMPLETE")
    stack = stack_spec(context, "environment", LAYERS["environment"](long), plan_only=True)
    assert len(stack.template.body.encode()) > TEMPLATE_LIMIT
    url = stack.template.url
    assert url is not None
    assert url.startswith("https://")
    assert url.endswith(".template")

    small = parse(tables)
    template = LAYERS["network"](small)
    for number in range(120):
        template.add_output(Output(f"Filler{number}", Value="x" * 400))
    with pytest.raises(BeanvaultError, match="there is no bucket yet") as error:
        stack_spec(
            DeploymentContext(small, account_with_uploads(answers), NullUi(), ROOT),
            "network",
            template,
            plan_only=False,
        )
    assert "fewer" in error.value.remedy


def test_a_creation_that_is_rolling_back_is_a_creation_again(answers: Answers) -> None:
    """Whether the environment begins with the placeholder is decided after the rollback has ended."""
    file = read(ROOT / "config" / "dev.toml")
    context = DeploymentContext(file, account_with_uploads(answers), NullUi(agrees=True), ROOT)
    history: tuple[str, ...] = ("CREATE_IN_PROGRESS", "ROLLBACK_IN_PROGRESS")
    answers.status("ROLLBACK_IN_PROGRESS")
    answers.events(*history)
    answers.status("ROLLBACK_COMPLETE")
    answers.events(*history, "ROLLBACK_COMPLETE")
    for _ in range(2):
        answers.status("ROLLBACK_COMPLETE")
    for layer in LAYERS:  # what each exports
        answers.status("ROLLBACK_COMPLETE") if layer == "environment" else answers.nothing()
    history += ("ROLLBACK_COMPLETE",)
    answers.status("ROLLBACK_COMPLETE")
    answers.events(*history)
    answers.add("get_template", TemplateBody='{"Resources": {}}')
    answers.events(*history)
    answers.status("ROLLBACK_COMPLETE")
    answers.add("get_template", TemplateBody='{"Resources": {}}')
    answers.add("list_stack_resources", StackResourceSummaries=[])
    answers.status("ROLLBACK_COMPLETE")
    answers.events(*history)
    answers.add("delete_stack")
    answers.events(*history, "DELETE_COMPLETE")
    for _ in range(6):
        answers.nothing()
    requests: list[Any] = []
    answers.client.meta.events.register(
        "provide-client-params.cloudformation.CreateChangeSet", lambda params, **_: requests.append(params)
    )
    answers.add("create_change_set", Id=CHANGE_SET)
    answers.add("describe_change_set", Status="FAILED", StatusReason="enough of it")
    answers.add("describe_events", OperationEvents=[])
    answers.add("delete_change_set")
    answers.add("delete_stack")
    with pytest.raises(StackError, match="enough of it"):
        deploy(context, ["environment"])
    assert {"ParameterKey": "CreatingEnvironment", "ParameterValue": "true"} in requests[0]["Parameters"]
