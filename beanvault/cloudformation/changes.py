"""What a change set would do, as types and as text. Pure: parses CloudFormation's answers, calls nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_cloudformation.type_defs import (
        ChangeTypeDef,
        ResourceChangeTypeDef,
        ResourceTargetDefinitionTypeDef,
    )


class ChangeAction(StrEnum):
    ADD = "Add"
    MODIFY = "Modify"
    REMOVE = "Remove"
    IMPORT = "Import"
    DYNAMIC = "Dynamic"
    """CloudFormation can't determine it yet."""
    SYNC = "SyncWithActual"
    """The resource was changed by hand to what the template says; CloudFormation only records that."""


class Replacement(StrEnum):
    NO = "False"
    CONDITIONAL = "Conditional"
    YES = "True"


HOLDS_DATA = frozenset(
    {
        "AWS::Backup::BackupVault",
        "AWS::DynamoDB::Table",
        "AWS::EC2::Volume",
        "AWS::EFS::FileSystem",
        "AWS::KMS::Key",
        "AWS::KMS::ReplicaKey",
        "AWS::Logs::LogGroup",
        "AWS::RDS::DBCluster",
        "AWS::RDS::DBInstance",
        "AWS::S3::Bucket",
        "AWS::SQS::Queue",
        "AWS::SecretsManager::Secret",
    }
)
"""Types whose replacement or removal loses data that no template restores."""

NEVER_REPLACED_BY: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "AWS::KMS::Key": frozenset({"Description", "Enabled", "EnableKeyRotation", "KeyPolicy", "Tags"}),
        "AWS::Logs::LogGroup": frozenset({"DataProtectionPolicy", "KmsKeyId", "RetentionInDays", "Tags"}),
        "AWS::RDS::DBInstance": frozenset({"Tags"}),
        "AWS::S3::Bucket": frozenset(
            {"BucketEncryption", "LifecycleConfiguration", "LoggingConfiguration", "OwnershipControls"}
            | {"PublicAccessBlockConfiguration", "Tags", "VersioningConfiguration"}
        ),
        "AWS::SQS::Queue": frozenset({"KmsMasterKeyId", "MessageRetentionPeriod", "Tags"}),
        "AWS::SecretsManager::Secret": frozenset({"Description", "KmsKeyId", "Tags"}),
    }
)
"""By type, what of the templates' properties CloudFormation always changes in place.

An engine of CloudFormation's API that can't tell calls such a change a possible replacement, too. A test
compares them with CloudFormation's schemas.
"""


@dataclass(frozen=True, slots=True)
class ResourceChange:
    """One resource of a change set.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ResourceChange.html
    """

    action: ChangeAction
    logical_id: str
    type: str
    replacement: Replacement = Replacement.NO
    properties: tuple[str, ...] = ()
    """What changes: `MultiAZ` of the resource's properties, `Tags`, in alphabetical order."""

    @property
    def endangers_data(self) -> bool:
        """Whether the resource holds data and is removed, or is or might be replaced by an empty one."""
        if self.type not in HOLDS_DATA:
            return False
        if self.action is not ChangeAction.MODIFY:
            return self.action is ChangeAction.REMOVE
        match self.replacement:
            case Replacement.NO:
                return False
            case Replacement.YES:
                return True
            case Replacement.CONDITIONAL:
                harmless = NEVER_REPLACED_BY.get(self.type, frozenset())
                return not self.properties or not harmless.issuperset(self.properties)

    def __str__(self) -> str:
        verbs = {
            (ChangeAction.ADD, Replacement.NO): "create",
            (ChangeAction.IMPORT, Replacement.NO): "take over",
            (ChangeAction.REMOVE, Replacement.NO): "delete",
            (ChangeAction.MODIFY, Replacement.NO): "update",
            (ChangeAction.MODIFY, Replacement.CONDITIONAL): "update or replace",
            (ChangeAction.MODIFY, Replacement.YES): "REPLACE",
            (ChangeAction.SYNC, Replacement.NO): "accept as changed by hand",
        }
        verb = verbs.get((self.action, self.replacement), self.action.value.lower())
        properties = f": {', '.join(self.properties)}" if self.properties else ""
        return f"{verb} {self.logical_id} ({self.type}){properties}"


def parse(changes: Iterable[ChangeTypeDef]) -> tuple[ResourceChange, ...]:
    """Return the resource changes of DescribeChangeSet's `Changes`, in its order."""
    return tuple(_change(item["ResourceChange"]) for item in changes if "ResourceChange" in item)


def _change(raw: ResourceChangeTypeDef) -> ResourceChange:
    return ResourceChange(
        action=ChangeAction(raw["Action"]),
        logical_id=raw["LogicalResourceId"],
        type=raw["ResourceType"],
        replacement=Replacement(raw.get("Replacement") or "False"),
        properties=tuple(
            sorted({_property(detail.get("Target", {})) for detail in raw.get("Details") or ()} - {""})
        ),
    )


def _property(target: ResourceTargetDefinitionTypeDef) -> str:
    attribute, name = target.get("Attribute") or "", target.get("Name") or ""
    return name if attribute == "Properties" and name else attribute
