"""What a control yields when AWS doesn't answer, answers nonsense, or the check itself is wrong."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from beanvault.verify.account.environment import PROPERTIES, Settings, settings_in_force
from beanvault.verify.account.parsing import MalformedAnswer
from beanvault.verify.account.state import AccountState
from beanvault.verify.checks import CONTROLS
from beanvault.verify.model import Control, Observation, Severity, Status
from beanvault.verify.run import run_control, verify
from templates.deployment_file import parse
from tests.unit.beanvault.answers import Answer, playing

SHOP = parse({"name": "shop", "region": "eu-central-1", "vault": {"where": "host"}})
FUNCTION = {"FunctionName": "shop-replicator", "FunctionArn": "arn", "Role": "role"}


def state(**operations: list[Answer | BaseException]) -> AccountState:
    return AccountState(SHOP, playing(**operations))


@pytest.mark.parametrize("bug", [TypeError, AttributeError, KeyError, IndexError, ValueError])
def test_a_bug_of_a_check_surfaces(bug: type[Exception]) -> None:
    """It must not be reported as a strange answer of AWS, which nobody would look for in the code."""

    def check(_: AccountState) -> Iterator[Observation]:
        yield Observation("before", ok=True, evidence="")
        raise bug("ours")

    findings = run_control("Area", Control("BV.X", "Title", Severity.LOW, "", check), state())
    assert next(findings).status is Status.PASS
    with pytest.raises(bug):
        next(findings)


@pytest.mark.parametrize(("by_config", "because"), [(True, ""), (False, "Beanstalk needs it")])
def test_what_is_accepted_is_no_failure_and_has_its_reason(by_config: bool, because: str) -> None:
    def check(_: AccountState) -> Iterator[Observation]:
        yield Observation("bucket", False, "off", accepted_by_config=by_config, accepted_because=because)

    (finding,) = run_control("Area", Control("BV.X", "Title", Severity.LOW, "", check), state())
    assert finding.status is Status.NOT_APPLICABLE
    assert finding.accepted_by_config is by_config
    assert finding.evidence == f"off; {because or 'the deployment file asks for that'}"


def reads_function_policy(state: AccountState) -> Iterator[Observation]:
    for statement in state.function.policy:
        yield Observation(statement.name, ok=True, evidence="")


@pytest.mark.parametrize(
    ("configuration", "policy", "evidence"),
    [
        (
            {"FunctionName": "shop-replicator"},
            "",
            "GetFunctionConfiguration has no field 'FunctionArn'",
        ),
        (FUNCTION, '{"Version": ""}', "GetPolicy has no field 'Statement'"),
        (FUNCTION, "<html>", "GetPolicy is malformed: Expecting value: line 1 column 1 (char 0)"),
        (
            FUNCTION,
            '{"Statement": [7]}',
            "GetPolicy is malformed: a policy has int in the place of an object",
        ),
    ],
)
def test_a_malformed_answer_is_unknown_and_names_the_operation(
    configuration: dict[str, str], policy: str, evidence: str
) -> None:
    found = state(
        lambda_GetFunctionConfiguration=[Answer(configuration)],
        lambda_GetPolicy=[Answer({"Policy": policy})],
    )
    control = Control("BV.X", "Title", Severity.LOW, "", reads_function_policy)
    (finding,) = run_control("Area", control, found)
    assert (finding.status, finding.evidence) == (Status.UNKNOWN, f"AWS's answer to {evidence}")


def test_values_of_environment_variables_are_discarded() -> None:
    """One of them may be a secret; only the names are checked."""
    variables = {"VAULT_TOKEN": "canary"}
    found = state(
        lambda_GetFunctionConfiguration=[Answer({**FUNCTION, "Environment": {"Variables": variables}})]
    )
    (finding,) = verify(found, ("BV.FN3",))
    assert (finding.status, finding.evidence) == (Status.FAIL, "named like credentials: VAULT_TOKEN")
    assert "canary" not in repr(found.function.configuration)
    option = {"Namespace": PROPERTIES, "OptionName": "DATABASE_PASSWORD", "Value": "canary"}
    settings = settings_in_force({"ConfigurationSettings": [{"OptionSettings": [option]}]})  # type: ignore[typeddict-item]  # no metadata
    assert settings is not None
    assert settings.property_names == {"DATABASE_PASSWORD"}
    assert "canary" not in repr(settings)


def test_an_option_that_is_not_a_number_is_a_malformed_answer() -> None:
    settings = Settings({("aws:autoscaling:asg", "MinSize"): "two"}, frozenset())
    assert settings.number("aws:autoscaling:asg", "MaxSize", default=4) == 4
    with pytest.raises(MalformedAnswer, match="MinSize is 'two' instead of a number"):
        settings.number("aws:autoscaling:asg", "MinSize", default=1)


def test_a_refusal_is_unknown_and_names_the_operation() -> None:
    refused = Answer(status=403, error="AccessDeniedException")
    (finding,) = verify(state(lambda_GetFunctionConfiguration=[refused]), ("Lambda.2",))
    assert finding.status is Status.UNKNOWN
    assert finding.evidence.startswith("AWS refused GetFunctionConfiguration (AccessDeniedException)")


def test_every_control_has_a_check_of_its_own() -> None:
    """A row of the table that was copied and not adapted would check something else than its title says."""
    assert len({control.check for control in CONTROLS}) == len(CONTROLS)
