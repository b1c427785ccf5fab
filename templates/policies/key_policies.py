"""Key policies: who manages a key, and through which AWS services it can be used."""

from collections.abc import Sequence

from awacs import kms
from awacs.aws import (
    Allow,
    ArnLike,
    Bool,
    Condition,
    Principal,
    Statement,
    StringEquals,
)
from troposphere import Ref, Sub

from templates.policies import Arn, arns

_ACCOUNT = Ref("AWS::AccountId")
_ACCOUNT_ROOT = Principal("AWS", arns.account_root())
_USE = [kms.Decrypt, kms.DescribeKey, kms.Encrypt, kms.Action("GenerateDataKey*"), kms.Action("ReEncrypt*")]


def managed_by_account() -> Statement:
    """Let the account's IAM policies decide who manages the key; this does not allow using it."""
    return Statement(
        Sid="AllowAccountToManageKey",
        Effect=Allow,
        Principal=_ACCOUNT_ROOT,
        Action=[
            kms.CancelKeyDeletion,
            kms.Action("Describe*"),
            kms.Action("Disable*"),
            kms.Action("Enable*"),
            kms.Action("Get*"),
            kms.Action("List*"),
            kms.CreateAlias,
            kms.DeleteAlias,
            kms.PutKeyPolicy,
            kms.RevokeGrant,
            kms.RotateKeyOnDemand,
            kms.ScheduleKeyDeletion,
            kms.TagResource,
            kms.UntagResource,
            kms.UpdateAlias,
            kms.UpdateKeyDescription,
        ],
        Resource=["*"],  # in a key policy: this key
    )


def used_through(services: Sequence[str]) -> Statement:
    """Let principals whose IAM policies allow it use the key, through these services only."""
    return Statement(
        Sid="AllowUseThroughServices",
        Effect=Allow,
        Principal=_ACCOUNT_ROOT,
        Action=_USE,
        Resource=["*"],
        Condition=_through(services),
    )


def granted_to(services: Sequence[str]) -> Statement:
    """Let principals of the account grant the key to a service's resources, such as a database's disk."""
    return Statement(
        Sid="AllowGrantsToAwsResources",
        Effect=Allow,
        Principal=_ACCOUNT_ROOT,
        Action=[kms.CreateGrant, kms.ListGrants, kms.RevokeGrant],
        Resource=["*"],
        Condition=_through(services, Bool({"kms:GrantIsForAWSResource": "true"})),
    )


def encrypts_logs(log_groups: Arn) -> Statement:
    """Let CloudWatch Logs encrypt these log groups.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
    """
    return Statement(
        Sid="AllowLogGroupsToEncrypt",
        Effect=Allow,
        Principal=Principal("Service", Sub("logs.${AWS::Region}.amazonaws.com")),
        Action=_USE,
        Resource=["*"],
        Condition=Condition([ArnLike({"kms:EncryptionContext:aws:logs:arn": log_groups})]),
    )


def encrypts_notifications() -> Sequence[Statement]:
    """Let alarms and the database's events publish to an encrypted topic; its policy names their sources.

    No source says that RDS sends `aws:SourceAccount` to KMS, as CloudWatch does.
    https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html#compatibility-with-aws-services
    """
    use = [kms.Decrypt, kms.Action("GenerateDataKey*")]
    return [
        Statement(
            Sid="AllowAlarmsToEncrypt",
            Effect=Allow,
            Principal=Principal("Service", "cloudwatch.amazonaws.com"),
            Action=use,
            Resource=["*"],
            Condition=Condition([StringEquals({"aws:SourceAccount": _ACCOUNT})]),
        ),
        Statement(
            Sid="AllowDatabaseEventsToEncrypt",
            Effect=Allow,
            Principal=Principal("Service", "events.rds.amazonaws.com"),
            Action=use,
            Resource=["*"],
        ),
    ]


def encrypts_events() -> Statement:
    """Let EventBridge send to encrypted topics and queues, whose own policies name the rules they accept.

    EventBridge sends no `aws:SourceAccount` to KMS here, so a condition on it would lose every message.
    https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html#compatibility-with-aws-services
    """
    return Statement(
        Sid="AllowEventBridgeToEncrypt",
        Effect=Allow,
        Principal=Principal("Service", "events.amazonaws.com"),
        Action=[kms.Decrypt, kms.Action("GenerateDataKey*")],
        Resource=["*"],
    )


def _through(services: Sequence[str], *more: Bool) -> Condition:
    names = [Sub(f"{service}.${{AWS::Region}}.amazonaws.com") for service in services]
    return Condition([StringEquals({"kms:CallerAccount": _ACCOUNT, "kms:ViaService": names}), *more])
