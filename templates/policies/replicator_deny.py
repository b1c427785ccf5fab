"""What the replicator's `FunctionRole` is denied, whatever a policy attached later allows."""

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
from templates.policies.replicator_allow import REQUEST_OWNER
from templates.policies.shared_statements import NETWORK_INTERFACE_ACTIONS

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


def deny_network_interfaces_to_code(function: Arn) -> Statement:
    """Deny the function's own code what Lambda needs with the same role.

    https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html#configuration-vpc-best-practice
    """
    return Statement(
        Sid="DenyNetworkInterfacesToCode",
        Effect=Deny,
        Action=NETWORK_INTERFACE_ACTIONS,
        Resource=["*"],
        Condition=Condition([ArnEquals({"lambda:SourceFunctionArn": function})]),
    )


def deny_writing_other_secrets(resources: Sequence[Arn]) -> Statement:
    """Deny changes to all secrets but these."""
    return Statement(
        Sid="DenyWritingOtherSecrets", Effect=Deny, Action=_CHANGES_TO_SECRETS, NotResource=list(resources)
    )


def deny_changing_owner(owner: str) -> Statement:
    """Deny tagging a secret with another owner."""
    return Statement(
        Sid="DenyChangingOwner",
        Effect=Deny,
        Action=[secretsmanager.TagResource],
        Resource=["*"],
        Condition=Condition([StringNotEquals({REQUEST_OWNER: owner}), Null({REQUEST_OWNER: "false"})]),
    )


def deny_removing_ownership() -> Statement:
    """Deny removing the tags that name a secret's owner and its source in Vault."""
    return Statement(
        Sid="DenyRemovingOwnership",
        Effect=Deny,
        Action=[secretsmanager.UntagResource],
        Resource=["*"],
        Condition=Condition([ForAnyValueStringEquals({"aws:TagKeys": [TAG_OWNER, TAG_SOURCE]})]),
    )


def deny_immediate_deletion() -> Statement:
    """Deny deleting a secret without its recovery window."""
    return Statement(
        Sid="DenyImmediateDeletion",
        Effect=Deny,
        Action=[secretsmanager.DeleteSecret],
        Resource=["*"],
        Condition=Condition([Bool({"secretsmanager:ForceDeleteWithoutRecovery": "true"})]),
    )


def deny_changing_permissions() -> Statement:
    """Deny changes to permissions: roles, keys, resource policies, functions."""
    return Statement(
        Sid="DenyChangingPermissions",
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
