"""Controls of the roles: what each may do by now, whoever gave it that."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from typing import Any

from .live import AccountState, Grant
from .model import Control, Observation, Severity
from .policies import listed
from .remedy import put_back

Rule = Callable[[Grant, Any], bool]
"""Whether a statement of a policy breaks a control."""


def _none(breaks: Rule, told: str) -> Callable[[AccountState], Iterator[Observation]]:
    """Return a look at each role for statements that allow what *breaks* says; *told* names those."""

    def look(live: AccountState) -> Iterator[Observation]:
        for role, grants in live.roles.items():
            wrong = sorted(
                f"{grant.name} {statement.get('Sid', '')}".strip()
                for grant in grants
                for statement in grant.statements
                if statement["Effect"] == "Allow" and breaks(grant, statement)
            )
            yield Observation(
                role, not wrong, f"{told}: {', '.join(wrong)}" if wrong else f"{len(grants)} policies"
            )

    return look


def _actions(statement: Any) -> list[str]:
    """Return the patterns of what a statement is about. All but a few (`NotAction`) counts as all."""
    return [str(action).lower() for action in listed(statement.get("Action", "*"))]


def _resources(statement: Any) -> list[str]:
    return [str(resource) for resource in listed(statement.get("Resource", "*"))]


def _administrator(_: Grant, statement: Any) -> bool:
    return bool({"*", "*:*"} & set(_actions(statement))) and "*" in _resources(statement)


def _whole_service(grant: Grant, statement: Any) -> bool:
    """IAM.21 is about policies of one's own: AWS answers for those that a template of ours attaches."""
    kept = grant.by_aws and grant.wanted
    return not kept and any(not action.partition(":")[2].strip("*?") for action in _actions(statement))


DECRYPTING = ("kms:decrypt", "kms:reencryptfrom")


def _any_key(grant: Grant, statement: Any) -> bool:
    kept = grant.by_aws and grant.wanted
    decrypts = any(fnmatchcase(action, each) for action in DECRYPTING for each in _actions(statement))
    return not kept and decrypts and any(_every_key(resource) for resource in _resources(statement))


def _every_key(resource: str) -> bool:
    """Whether a pattern takes whatever id a key has."""
    return resource == "*" or (
        ":kms:" in resource and not resource.rpartition(":")[2].removeprefix("key/").strip("*?-")
    )


def _as_in_the_template(live: AccountState) -> Iterator[Observation]:
    """Hold the policies of each role against those its template names."""
    for role, grants in live.roles.items():
        added = sorted(grant.name for grant in grants if not grant.wanted)
        missing = sorted(
            arn.rpartition("/")[2] for arn in live.wanted_policies[role] - {g.arn for g in grants}
        )
        told = [f"added: {', '.join(added)}"] if added else []
        told += [f"detached: {', '.join(missing)}"] if missing else []
        yield Observation(role, not told, "; ".join(told) or f"{len(grants)} policies, as in its template")


def _trust(live: AccountState) -> Iterator[Observation]:
    """Look at who may take a role: one service, and Beanstalk only with its external id."""
    client = live.aws.client("iam")
    for role in live.roles:
        document: Any = client.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]
        loose = []
        for statement in listed(document["Statement"]):
            principal = statement.get("Principal", {})
            services = listed(principal.get("Service", [])) if isinstance(principal, dict) else []
            only_services = isinstance(principal, dict) and set(principal) == {"Service"}
            bound = "sts:ExternalId" in str(statement.get("Condition", {}))
            beanstalk = any(service.startswith("elasticbeanstalk.") for service in services)
            if not only_services or (beanstalk and not bound):
                loose.append(f"{principal}")
        told = f"may be taken by {', '.join(loose)}" if loose else "may be taken by its service only"
        yield Observation(role, not loose, told)


READING = ("secretsmanager:BatchGetSecretValue", "secretsmanager:GetSecretValue")
WRITING = (
    "secretsmanager:CreateSecret",
    "secretsmanager:DeleteSecret",
    "secretsmanager:PutSecretValue",
    "secretsmanager:RestoreSecret",
    "secretsmanager:UpdateSecret",
    "secretsmanager:UpdateSecretVersionStage",
)


def _denied(live: AccountState, role: str, actions: tuple[str, ...], but: tuple[str, ...]) -> Observation:
    """Look for the explicit denial of *actions* on every secret *but* those of these names."""
    names = "|".join(re.escape(name).replace(r"\*", r"\*") for name in but)
    # Six letters that Secrets Manager makes up end a secret's ARN; a policy may leave them open.
    allowed = re.compile(rf"arn:[\w-]+:secretsmanager:[\w*-]+:\d+:secret:({names})(-[\w?]{{6}})?")
    wanted = {action.lower() for action in actions}
    denied = any(
        statement["Effect"] == "Deny"
        and wanted <= set(_actions(statement))
        and all(allowed.fullmatch(each) for each in listed(statement.get("NotResource", "everything")))
        and not statement.get("Condition")
        for grant in live.roles.get(role, ())
        for statement in grant.statements
    )
    verbs = ", ".join(sorted(action.partition(":")[2] for action in actions))
    told = "is denied" if denied else "is not denied"
    return Observation(role, denied, f"{verbs} {told} on all but {', '.join(but)}")


def _never_reads(live: AccountState) -> Iterator[Observation]:
    role = live.function["Role"].rpartition("/")[2]
    yield _denied(live, role, READING, (live.deployment.connection_secret,))


def _never_writes_elsewhere(live: AccountState) -> Iterator[Observation]:
    role = live.function["Role"].rpartition("/")[2]
    yield _denied(live, role, WRITING, (live.deployment.connection_secret, f"{live.deployment.prefix}/*"))


def _app_reads_one(live: AccountState) -> Iterator[Observation]:
    name = live.options.get(("aws:autoscaling:launchconfiguration", "IamInstanceProfile"), "")
    profile = live.aws.client("iam").get_instance_profile(InstanceProfileName=name.rpartition("/")[2])
    for role in profile["InstanceProfile"]["Roles"]:
        yield _denied(live, role["RoleName"], READING, (live.deployment.credential_secret,))


HIGH, MEDIUM, LOW, CRITICAL = Severity.HIGH, Severity.MEDIUM, Severity.LOW, Severity.CRITICAL
DETACH = (
    "aws iam detach-role-policy, or delete-role-policy for an inline one; "
    f"a policy of ours that was changed: {put_back()}"
)

CONTROLS = (
    Control(
        "IAM.1", "No role may do everything", HIGH, DETACH, _none(_administrator, "everything is allowed by")
    ),
    Control(
        "IAM.21", "No policy allows a whole service", LOW, DETACH, _none(_whole_service, "a whole service by")
    ),
    Control("KMS.1", "No role decrypts with every key", MEDIUM, DETACH, _none(_any_key, "every key by")),
    Control(
        "SEC03-BP02",
        "Roles have the policies of their template and no others",
        HIGH,
        f"an inline policy: aws iam delete-role-policy; attached or detached ones: {put_back()}",
        _as_in_the_template,
    ),
    Control("BV.ROLE1", "Roles are for their services only", HIGH, put_back(), _trust),
    Control(
        "BV.ROLE2",
        "The replicator can't read what it writes",
        CRITICAL,
        put_back("replicator"),
        _never_reads,
    ),
    Control(
        "BV.ROLE3",
        "The replicator can't write outside the prefix",
        HIGH,
        put_back("replicator"),
        _never_writes_elsewhere,
    ),
    Control("BV.ROLE4", "The app can't read other secrets", HIGH, put_back("environment"), _app_reads_one),
)
