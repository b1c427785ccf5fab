"""The typed deployment file: one deployment as a frozen value, and the names derived from its own name.

A layer's `build(deployment)` reads this and nothing else. Its tables are in `deployment_sections` (the
replicator's is here), the forms of their values in `deployment_values`. `deployment_file` reads it from TOML.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field, field_validator

from replicator.contract.mounts import MountError, mount_of, parse_mounts
from templates.aws_versions import PLATFORM
from templates.deployment_sections import (
    Alerts,
    App,
    Database,
    Domain,
    Edge,
    Logs,
    Network,
    Section,
    SelfSignedCertificate,
    Storage,
    Vault,
)
from templates.deployment_values import (
    Deletion,
    KeyAlias,
    MountText,
    Name,
    Region,
    Schedule,
    SecondaryRegion,
    SecretPath,
    TagKey,
    invalid,
)

SCHEMA = "app"
"""The database schema of the application."""
MASTER_USER = "beanvault_master"
APP_USERS = ("app_blue", "app_green")
"""The two users between which a rotation alternates, so that it never invalidates the credential in use."""
IAM_USER = "app_iam"


class Replicator(Section):
    """What the function replicates, when, and which changes it is allowed."""

    mounts: tuple[MountText, ...] = Field(default=("beanvault",), min_length=1)
    prefix: SecretPath | None = None
    """Replicated secrets are named `<prefix>/<path>`; none means the deployment's name."""
    schedule: Schedule = "rate(30 minutes)"
    deletion: Deletion = "retain"
    max_delete_share: float = Field(default=0.1, ge=0, le=1)
    """A plan that would delete more than this share of all managed secrets or of a mount's is refused."""
    adopt: tuple[SecretPath, ...] = ()
    """Existing secrets, by name below the prefix, that replication can take over from their owners."""
    replica_regions: tuple[SecondaryRegion, ...] = ()
    key_aliases: tuple[KeyAlias, ...] = ()
    """KMS keys, in addition to the deployment's own, that a path's custom metadata can choose."""
    memory_mb: int = Field(default=512, ge=128, le=10240)
    timeout_seconds: int = Field(default=300, ge=60, le=900)

    @field_validator("mounts")
    @classmethod
    def _different_mounts(cls, texts: tuple[str, ...]) -> tuple[str, ...]:
        try:
            parse_mounts(texts)
        except MountError as error:
            raise invalid(str(error), "name each mount once") from None
        return texts

    @property
    def mount_paths(self) -> tuple[str, ...]:
        """The mounts' paths in Vault, without their kinds and parameters."""
        return tuple(mount.path for mount in parse_mounts(self.mounts))


class Deployment(Section):
    """Everything one deployment file describes."""

    name: Name
    region: Region
    production: bool = False
    """Apply the rules of production to the whole file (`templates/deployment_rules.py`)."""
    tags: Mapping[TagKey, str] = {}
    network: Network = Network()
    domain: Domain = SelfSignedCertificate()
    app: App = App()
    database: Database = Database()
    vault: Vault
    replicator: Replicator = Replicator()
    alerts: Alerts = Alerts()
    edge: Edge = Edge()
    storage: Storage = Storage()
    logs: Logs = Logs()

    @property
    def prefix(self) -> str:
        """The prefix of replicated secrets' names, without the slash."""
        return self.replicator.prefix or self.name

    @property
    def credential_secret(self) -> str:
        """The name of the replicated secret with the application's database credential."""
        return f"{self.prefix}/{self.credential_path}"

    @property
    def credential_mount(self) -> str:
        """The replicated mount that holds the application's credential; empty where none does."""
        mount = mount_of(self.database.credential, parse_mounts(self.replicator.mounts))
        return mount.path if mount else ""

    @property
    def credential_path(self) -> str:
        """The path of the application's credential below its mount, and below the prefix in AWS."""
        return self.database.credential.removeprefix(f"{self.credential_mount}/")

    @property
    def connection_secret(self) -> str:
        """The name of the secret with Vault's address and login; outside the prefix on purpose."""
        return f"{self.name}-connection"

    @property
    def function_name(self) -> str:
        return f"{self.name}-replicator"

    @property
    def bus_name(self) -> str:
        return f"{self.name}-beanvault"

    @property
    def topic_name(self) -> str:
        return f"{self.name}-alerts"

    @property
    def database_identifier(self) -> str:
        """The DB instance's identifier; RDS derives the names of its log groups from it."""
        return f"{self.name}-database"

    @property
    def application_name(self) -> str:
        return self.name

    @property
    def environment_name(self) -> str:
        return f"{self.name}-app"

    @property
    def platform_branch(self) -> str:
        """The platform branch of the environment, as Beanstalk and the EB CLI name it."""
        return self.app.platform or PLATFORM.in_use

    @property
    def retention(self) -> dict[str, str]:
        """`DeletionPolicy` and `UpdateReplacePolicy` of resources that production keeps and a trial does not.

        A resource of a failed creation is empty, and its name would block the next attempt.
        https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-deletionpolicy.html
        """
        if self.production:
            return {"DeletionPolicy": "RetainExceptOnCreate", "UpdateReplacePolicy": "Retain"}
        return {"DeletionPolicy": "Delete", "UpdateReplacePolicy": "Delete"}

    def stack_name(self, layer: str) -> str:
        return f"{self.name}-{layer}"
