"""Controls of the roles: what each is allowed, whoever granted it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatchcase

from ..account.policies import PolicyStatement
from ..account.roles import RolePolicy
from ..account.state import AccountState
from ..model import Check, Control, Observation, Severity
from ..remedies import revert_drift

Violates = Callable[[RolePolicy, PolicyStatement], bool]
"""Whether an allowing statement of a policy violates a control."""


def _no_statement(violates: Violates, what: str) -> Check:
    """Return the check that no role has a statement that *violates*; *what* names those that do."""

    def check(state: AccountState) -> Iterator[Observation]:
        for role, policies in state.roles.policies.items():
            wrong = sorted(
                f"{policy.name} {statement.sid}".strip()
                for policy in policies
                for statement in policy.statements
                if statement.allows and violates(policy, statement)
            )
            evidence = f"{what}: {', '.join(wrong)}" if wrong else f"{len(policies)} policies"
            yield Observation(role, not wrong, evidence)

    return check


def _everything(_: RolePolicy, statement: PolicyStatement) -> bool:
    return bool({"*", "*:*"} & set(statement.actions)) and "*" in statement.resources


def _maintained_by_aws(policy: RolePolicy) -> bool:
    """Whether a template of ours attaches a policy that AWS maintains: IAM.21 and KMS.1 exempt those."""
    return policy.by_aws and policy.in_template


def _whole_service(policy: RolePolicy, statement: PolicyStatement) -> bool:
    return not _maintained_by_aws(policy) and any(
        not action.partition(":")[2].strip("*?") for action in statement.actions
    )


DECRYPTING = ("kms:decrypt", "kms:reencryptfrom")


def _any_key(policy: RolePolicy, statement: PolicyStatement) -> bool:
    decrypts = any(fnmatchcase(action, each) for action in DECRYPTING for each in statement.actions)
    return not _maintained_by_aws(policy) and decrypts and any(map(_matches_any_key, statement.resources))


def _matches_any_key(resource: str) -> bool:
    """Whether a pattern matches keys of any id."""
    return resource == "*" or (
        ":kms:" in resource and not resource.rpartition(":")[2].removeprefix("key/").strip("*?-")
    )


def _template_policies_only(state: AccountState) -> Iterator[Observation]:
    for role, policies in state.roles.policies.items():
        added = sorted(policy.name for policy in policies if not policy.in_template)
        attached = {policy.arn for policy in policies}
        detached = sorted(arn.rpartition("/")[2] for arn in state.roles.template_policies[role] - attached)
        differences = [
            f"{what}: {', '.join(names)}"
            for what, names in (("added", added), ("detached", detached))
            if names
        ]
        evidence = "; ".join(differences) or f"{len(policies)} policies, as in the template"
        yield Observation(role, not differences, evidence)


def _trust(state: AccountState) -> Iterator[Observation]:
    for role in state.roles.policies:
        others = [
            _principals(statement)
            for statement in state.roles.trust(role)
            if not trusts_services_only(statement)
        ]
        evidence = (
            f"can be assumed by {', '.join(others)}" if others else "can be assumed by its service only"
        )
        yield Observation(role, not others, evidence)


def trusts_services_only(statement: PolicyStatement) -> bool:
    """Whether a statement trusts services only, and Beanstalk only with its external id."""
    services = statement.principals.get("Service", frozenset())
    beanstalk = any(service.startswith("elasticbeanstalk.") for service in services)
    return set(statement.principals) == {"Service"} and (
        not beanstalk or bool(statement.required("sts:ExternalId"))
    )


def _principals(statement: PolicyStatement) -> str:
    return ", ".join(
        f"{kind} {name}" for kind, names in sorted(statement.principals.items()) for name in sorted(names)
    )


READ_ACTIONS = ("secretsmanager:BatchGetSecretValue", "secretsmanager:GetSecretValue")
WRITE_ACTIONS = (
    "secretsmanager:CreateSecret",
    "secretsmanager:DeleteSecret",
    "secretsmanager:PutSecretValue",
    "secretsmanager:RestoreSecret",
    "secretsmanager:UpdateSecret",
    "secretsmanager:UpdateSecretVersionStage",
)


def _denied(state: AccountState, role: str, actions: Iterable[str], *excepted: str) -> Observation:
    """Check for the explicit denial of *actions* on every secret but the *excepted* ones."""
    denied = any(
        denies_secrets_except(statement, actions, excepted)
        for policy in state.roles.policies.get(role, ())
        for statement in policy.statements
    )
    names = ", ".join(sorted(action.partition(":")[2] for action in actions))
    verdict = "denied" if denied else "not denied"
    return Observation(role, denied, f"{names}: {verdict} on all secrets but {', '.join(excepted)}")


def denies_secrets_except(
    statement: PolicyStatement, actions: Iterable[str], excepted: Iterable[str]
) -> bool:
    """Whether a statement denies *actions*, unconditionally, on every secret but the *excepted* ones."""
    names = "|".join(map(re.escape, excepted))
    # An ARN ends with six characters that Secrets Manager generates; a policy may leave them open.
    exception = re.compile(rf"arn:[\w-]+:secretsmanager:[\w*-]+:\d+:secret:({names})(-[\w?]{{6}})?")
    return (
        statement.denies
        and {action.lower() for action in actions} <= set(statement.actions)
        and bool(statement.excepted_resources)
        and all(exception.fullmatch(each) for each in statement.excepted_resources)
        and not statement.conditions
    )


def _function_role(state: AccountState) -> str:
    return state.function.configuration.role.rpartition("/")[2]


def _function_reads(state: AccountState) -> Iterator[Observation]:
    yield _denied(state, _function_role(state), READ_ACTIONS, state.deployment.connection_secret)


def _function_writes(state: AccountState) -> Iterator[Observation]:
    deployment = state.deployment
    yield _denied(
        state, _function_role(state), WRITE_ACTIONS, deployment.connection_secret, f"{deployment.prefix}/*"
    )


def _app_reads(state: AccountState) -> Iterator[Observation]:
    option = ("aws:autoscaling:launchconfiguration", "IamInstanceProfile")
    profile = state.environment.options.get(option, "").rpartition("/")[2]
    for role in state.roles.of_instance_profile(profile):
        yield _denied(state, role, READ_ACTIONS, state.deployment.credential_secret)


HIGH, MEDIUM, LOW, CRITICAL = Severity.HIGH, Severity.MEDIUM, Severity.LOW, Severity.CRITICAL
DETACH = (
    "aws iam detach-role-policy, or delete-role-policy for an inline one; "
    f"a changed policy of the stacks: {revert_drift()}"
)

CONTROLS = (
    Control(
        "IAM.1",
        "No role is allowed everything",
        HIGH,
        DETACH,
        _no_statement(_everything, "everything is allowed by"),
    ),
    Control(
        "IAM.21",
        "No policy allows all actions of a service",
        LOW,
        DETACH,
        _no_statement(_whole_service, "all actions of a service are allowed by"),
    ),
    Control(
        "KMS.1",
        "No role can decrypt with every key",
        MEDIUM,
        DETACH,
        _no_statement(_any_key, "decryption with every key is allowed by"),
    ),
    Control(
        "SEC03-BP02",
        "Roles have the policies of their template and no others",
        HIGH,
        f"an inline policy: aws iam delete-role-policy; attached or detached ones: {revert_drift()}",
        _template_policies_only,
    ),
    Control("BV.ROLE1", "Only their services can assume the roles", HIGH, revert_drift(), _trust),
    Control(
        "BV.ROLE2",
        "The replicator can't read the secrets it writes",
        CRITICAL,
        revert_drift("replicator"),
        _function_reads,
    ),
    Control(
        "BV.ROLE3",
        "The replicator can't write outside the prefix",
        HIGH,
        revert_drift("replicator"),
        _function_writes,
    ),
    Control("BV.ROLE4", "The app can't read other secrets", HIGH, revert_drift("environment"), _app_reads),
)
