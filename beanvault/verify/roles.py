"""Controls of the roles: what each may do by now, whoever gave it that."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from typing import Any

from .live import Grant, Live, listed
from .model import Control, Seen, Severity

Rule = Callable[[Grant, Any], bool]
"""Whether a statement of a policy breaks a control."""


def _none(breaks: Rule, told: str) -> Callable[[Live], Iterator[Seen]]:
    """Return a look at each role for statements that allow what *breaks* says; *told* names those."""

    def look(live: Live) -> Iterator[Seen]:
        for role, grants in live.roles.items():
            wrong = sorted(
                f"{grant.name} {statement.get('Sid', '')}".strip()
                for grant in grants
                for statement in grant.statements
                if statement["Effect"] == "Allow" and breaks(grant, statement)
            )
            yield Seen(role, not wrong, f"{told}: {', '.join(wrong)}" if wrong else f"{len(grants)} policies")

    return look


def _administrator(_: Grant, statement: Any) -> bool:
    return "*" in listed(statement.get("Action", [])) and "*" in listed(statement.get("Resource", []))


def _whole_service(grant: Grant, statement: Any) -> bool:
    """IAM.21 is about policies of one's own: AWS answers for those it keeps up to date."""
    return not grant.by_aws and any(
        action == "*" or action.endswith(":*") for action in listed(statement.get("Action", []))
    )


DECRYPTING = ("kms:Decrypt", "kms:ReEncryptFrom")


def _any_key(grant: Grant, statement: Any) -> bool:
    patterns = [action.lower() for action in listed(statement.get("Action", []))]
    decrypts = any(fnmatchcase(action.lower(), each) for action in DECRYPTING for each in patterns)
    return not grant.by_aws and decrypts and _everything(statement)


def _everything(statement: Any) -> bool:
    return any(resource == "*" or resource.endswith(":key/*") for resource in listed(statement["Resource"]))


BROAD = (
    "AWSElasticBeanstalkWebTier",
    "AWSElasticBeanstalkWorkerTier",
    "AdministratorAccess",
    "PowerUserAccess",
)


def _broad(live: Live) -> Iterator[Seen]:
    for role, grants in live.roles.items():
        named = sorted(grant.name for grant in grants if grant.name in BROAD)
        yield Seen(role, not named, f"has {', '.join(named)}" if named else "none of AWS's broad policies")


def _trust(live: Live) -> Iterator[Seen]:
    """Look at who may take a role: one service, and Beanstalk only with its external id."""
    client = live.aws.client("iam")
    for role in live.roles:
        document = client.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]
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
        yield Seen(role, not loose, told)


def _never_reads(live: Live) -> Iterator[Seen]:
    """Look for the explicit denial that keeps the writer from reading what it wrote."""
    role = live.function["Role"].rpartition("/")[2]
    connection = live.deployment.connection_secret
    denied = any(
        statement["Effect"] == "Deny"
        and "secretsmanager:GetSecretValue" in listed(statement.get("Action", []))
        and all(f":secret:{connection}" in each for each in listed(statement.get("NotResource", "")))
        and not statement.get("Condition")
        for grant in live.roles.get(role, ())
        for statement in grant.statements
    )
    told = f"reading anything but {connection} is denied" if denied else "nothing denies it to read secrets"
    yield Seen(role, denied, told)


HIGH, MEDIUM, LOW, CRITICAL = Severity.HIGH, Severity.MEDIUM, Severity.LOW, Severity.CRITICAL
DETACH = "detach the policy, or deploy the role's layer again"

CONTROLS = (
    Control(
        "IAM.1", "No role may do everything", HIGH, DETACH, _none(_administrator, "everything is allowed by")
    ),
    Control(
        "IAM.21", "No policy allows a whole service", LOW, DETACH, _none(_whole_service, "a whole service by")
    ),
    Control("KMS.1", "No role decrypts with every key", MEDIUM, DETACH, _none(_any_key, "every key by")),
    Control("SEC03-BP02", "No role has one of AWS's broad policies", MEDIUM, DETACH, _broad),
    Control("BV.ROLE1", "Roles are for their services only", HIGH, "deploy the role's layer again", _trust),
    Control(
        "BV.ROLE2",
        "The replicator can't read what it writes",
        CRITICAL,
        "deploy the replicator layer again",
        _never_reads,
    ),
)
