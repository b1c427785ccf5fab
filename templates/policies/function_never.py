"""What the replicator must never do, whatever else it is allowed one day."""

from collections.abc import Sequence

from awacs import awslambda, kms, secretsmanager, sts
from awacs.aws import (
    Action,
    ArnEquals,
    Bool,
    Condition,
    Deny,
    ForAnyValueStringEquals,
    Null,
    Statement,
    StringNotEquals,
)

from replicator.contract.tags import TAG_OWNER, TAG_SOURCE
from templates.policies import Arn
from templates.policies.function import NETWORK_INTERFACES, REQUEST_OWNER

_CHANGES_TO_SECRETS = [
    secretsmanager.CancelRotateSecret,
    secretsmanager.CreateSecret,
    secretsmanager.DeleteSecret,
    secretsmanager.PutSecretValue,
    secretsmanager.RemoveRegionsFromReplication,
    secretsmanager.ReplicateSecretToRegions,
    secretsmanager.RestoreSecret,
    secretsmanager.RotateSecret,
    secretsmanager.StopReplicationToReplica,
    secretsmanager.TagResource,
    secretsmanager.UntagResource,
    secretsmanager.UpdateSecret,
    secretsmanager.UpdateSecretVersionStage,
]


def never_touch_network_itself(function: Arn) -> Statement:
    """Keep from the function's code what Lambda needs with the same role.

    https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html#configuration-vpc-best-practice
    """
    return Statement(
        Sid="NeverTouchTheNetworkItself",
        Effect=Deny,
        Action=NETWORK_INTERFACES,
        Resource=["*"],
        Condition=Condition([ArnEquals({"lambda:SourceFunctionArn": function})]),
    )


def never_read_secrets_but(connection: Arn) -> Statement:
    """Never read a value, but for the connection secret: the writer can't read."""
    return Statement(
        Sid="NeverReadSecrets",
        Effect=Deny,
        Action=[secretsmanager.BatchGetSecretValue, secretsmanager.GetSecretValue],
        NotResource=[connection],
    )


def never_write_secrets_but(resources: Sequence[Arn]) -> Statement:
    """Never change a secret outside the prefix."""
    return Statement(
        Sid="NeverWriteElsewhere", Effect=Deny, Action=_CHANGES_TO_SECRETS, NotResource=list(resources)
    )


def never_disown(owner: str) -> Statement:
    """Never give a secret to somebody else."""
    return Statement(
        Sid="NeverGiveAway",
        Effect=Deny,
        Action=[secretsmanager.TagResource],
        Resource=["*"],
        Condition=Condition([StringNotEquals({REQUEST_OWNER: owner}), Null({REQUEST_OWNER: "false"})]),
    )


def never_remove_ownership() -> Statement:
    """Never take off the tags that say whose a secret is and where it comes from."""
    return Statement(
        Sid="NeverRemoveOwnership",
        Effect=Deny,
        Action=[secretsmanager.UntagResource],
        Resource=["*"],
        Condition=Condition([ForAnyValueStringEquals({"aws:TagKeys": [TAG_OWNER, TAG_SOURCE]})]),
    )


def never_delete_at_once() -> Statement:
    """Never delete a secret without its recovery window."""
    return Statement(
        Sid="NeverDeleteAtOnce",
        Effect=Deny,
        Action=[secretsmanager.DeleteSecret],
        Resource=["*"],
        Condition=Condition([Bool({"secretsmanager:ForceDeleteWithoutRecovery": "true"})]),
    )


def never_change_permissions() -> Statement:
    """Never change who may do what: roles, keys, resource policies, functions."""
    return Statement(
        Sid="NeverChangePermissions",
        Effect=Deny,
        Action=[
            Action("iam", "*"),
            Action("organizations", "*"),
            kms.CreateGrant,
            kms.DisableKey,
            kms.PutKeyPolicy,
            kms.ScheduleKeyDeletion,
            awslambda.AddPermission,
            awslambda.Action("UpdateFunction*"),
            secretsmanager.DeleteResourcePolicy,
            secretsmanager.PutResourcePolicy,
            sts.AssumeRole,
        ],
        Resource=["*"],
    )
