"""The typed deployment file: everything one deployment is, as frozen values.

A layer's `build(deployment)` reads these and nothing else. `templates.deployment_file` makes them from TOML
and reports every mistake at once; here are only the nouns, the range of each key, and the names that follow
from the deployment's own name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from replicator.contract.mounts import MountError, mount_of, parse_mounts
from templates.fields import (
    CertificateArn,
    CidrRange,
    Deletion,
    EmailAddress,
    HostedZoneId,
    HostName,
    InstanceType,
    InterfaceEndpoint,
    KeyAlias,
    MountText,
    Name,
    Platform,
    Range,
    Region,
    RetentionDays,
    Schedule,
    SecretPath,
    TagKey,
    VariableName,
    Webhook,
    is_graviton,
    matching,
    mistake,
)

SCHEMA = "app"
"""The database schema of the application."""
CREDENTIAL = "beanvault/app/database"
"""`<mount>/<path>` in Vault of the application's database credential, unless configured."""
MASTER_USER = "beanvault_master"
APP_USERS = ("app_blue", "app_green")
"""The two users that take turns, so that a rotation never invalidates the credential in use."""
IAM_USER = "app_iam"


class Section(BaseModel):
    """A table of the deployment file: frozen, no unknown keys, no silent conversion of types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Network(Section):
    """The VPC: its range, how many availability zones, how it reaches the internet and AWS."""

    availability_zones: int = Field(default=2, ge=2, le=3)
    cidr: CidrRange = Range("10.20.0.0/16")
    nat: Literal["per-az", "single"] = "per-az"
    endpoints: tuple[InterfaceEndpoint, ...] = ()
    """Interface endpoints; what has none is reached through NAT. S3 always has its gateway endpoint."""

    @field_validator("cidr")
    @classmethod
    def _large_enough(cls, cidr: Range) -> Range:
        if not 16 <= cidr.prefixlen <= 24:
            # /24 leaves sixteen /28, the smallest subnet there is, for at most nine subnets; an ALB wants
            # eight free addresses in each of its subnets, which a /28 with its five reserved ones just has.
            raise mistake(
                f"a VPC of /{cidr.prefixlen} does not hold the subnets", "give a range from /16 to /24"
            )
        if not cidr.is_private:
            raise mistake(f"{cidr} is not a private range", "choose one within 10/8, 172.16/12 or 192.168/16")
        return cidr

    @property
    def subnets(self) -> tuple[tuple[Range, ...], tuple[Range, ...], tuple[Range, ...]]:
        """The ranges of the public, application and database subnets, one of each per availability zone.

        The VPC is cut into sixteen equal parts, of which the last ones stay free for what comes later.
        """
        parts = list(self.cidr.subnets(prefixlen_diff=4))
        zones = self.availability_zones
        return tuple(parts[0:zones]), tuple(parts[4 : 4 + zones]), tuple(parts[8 : 8 + zones])


class IssuedCertificate(Section):
    """ACM issues and renews the certificate, validated by a record in the hosted zone."""

    certificate: Literal["issued"]
    name: HostName
    hosted_zone_id: HostedZoneId


class ExistingCertificate(Section):
    """A certificate that is in ACM already; the alias record is written where the zone is given."""

    certificate: Literal["existing"]
    name: HostName
    certificate_arn: CertificateArn
    hosted_zone_id: HostedZoneId | None = None


class SelfSignedCertificate(Section):
    """For a trial: `beanvault` makes a certificate, imports it to ACM and passes it as `CertificateArn`."""

    certificate: Literal["self-signed"] = "self-signed"
    name: HostName | None = None


Domain = Annotated[
    IssuedCertificate | ExistingCertificate | SelfSignedCertificate, Field(discriminator="certificate")
]


class App(Section):
    """The Beanstalk application: how many instances of what, on which platform."""

    instance_types: tuple[InstanceType, ...] = Field(default=("t3.small",), min_length=1)
    min_instances: int = Field(default=2, ge=1, le=1000)
    max_instances: int = Field(default=4, ge=1, le=1000)
    platform: Platform | None = None
    """The platform's solution stack name; none means the current one (`templates.current.PLATFORM`)."""
    environment: Mapping[VariableName, str] = {}
    """Environment properties beside the project's own (never a secret: the console shows them)."""

    @field_validator("instance_types")
    @classmethod
    def _one_architecture(cls, types: tuple[str, ...]) -> tuple[str, ...]:
        """Beanstalk launches all from one image."""
        graviton = [each for each in types if is_graviton(each)]
        if graviton and len(graviton) < len(types):
            raise mistake(
                f"{', '.join(graviton)} have another processor than the rest",
                "give types of one architecture: Graviton (as t4g) or x86 (as t3)",
            )
        return types

    @field_validator("max_instances")
    @classmethod
    def _not_below_minimum(cls, value: int, info: ValidationInfo) -> int:
        minimum = info.data.get("min_instances")
        if minimum is not None and value < minimum:
            raise mistake(f"{value} is below min_instances ({minimum})", f"give {minimum} or more")
        return value

    @field_validator("environment")
    @classmethod
    def _not_ours(cls, value: Mapping[str, str]) -> Mapping[str, str]:
        if ours := sorted(name for name in value if name.startswith("BEANVAULT_")):
            raise mistake(
                f"{', '.join(ours)} would override the project's own", "choose names without BEANVAULT_"
            )
        return value


class Database(Section):
    """RDS MySQL, and how the application logs in to it."""

    instance_class: Annotated[
        str, matching(r"db\.[a-z0-9-]+\.[a-z0-9]+", 'name one such as "db.t4g.micro"')
    ] = "db.t4g.micro"
    storage_gb: int = Field(default=20, ge=20, le=65536)
    max_storage_gb: int | None = Field(default=None, ge=22, le=65536)
    """Storage grows by itself up to here; none means that it doesn't."""
    multi_az: bool = False
    backup_days: int = Field(default=7, ge=1, le=35)
    backup_plan: bool = False
    """A plan of AWS Backup beside RDS's own backups."""
    port: int = Field(default=3307, ge=1150, le=65535)
    deletion_protection: bool = True
    performance_insights: bool = False
    mode: Literal["secret", "iam", "proxy"] = "secret"
    """Log in with the replicated secret, with an IAM token, or with the secret through RDS Proxy."""
    credential: SecretPath = CREDENTIAL
    """`<mount>/<path>` in Vault of the application's credential: in a KV mount, or a static role's name."""
    ca_file: str | None = None
    """PEM file on instance and function that vouches for the database; none means RDS's own authorities."""
    connection_age_seconds: int = Field(default=300, ge=1, le=3600)
    """After which the application replaces a connection, and with it the credential it logged in with."""
    secret_ttl_seconds: int = Field(default=60, ge=1, le=3600)
    """For how long the application trusts the credential it has read before it looks again."""

    @field_validator("port")
    @classmethod
    def _not_the_default(cls, port: int) -> int:
        if port == 3306:
            raise mistake(
                "3306 is the port that everybody scans (control RDS.23)", "give another, such as 3307"
            )
        return port

    @field_validator("max_storage_gb")
    @classmethod
    def _leaves_room(cls, value: int | None, info: ValidationInfo) -> int | None:
        storage = info.data.get("storage_gb")
        # RDS wants at least 10 % above the allocated storage.
        if value is not None and storage is not None and value * 10 < storage * 11:
            least = -(-storage * 11 // 10)
            raise mistake(
                f"{value} is less than a tenth above storage_gb ({storage})", f"give {least} or more"
            )
        return value


class OutsideVault(Section):
    """Vault anywhere the NAT gateways reach: only these ranges, only this port."""

    where: Literal["outside"]
    cidrs: tuple[CidrRange, ...] = Field(min_length=1)
    port: int = Field(default=8200, ge=1, le=65535)


class PeeredVault(Section):
    """Vault in a VPC next door. A request to a VPC of another account or region is accepted over there."""

    where: Literal["peering"]
    cidrs: tuple[CidrRange, ...] = Field(min_length=1)
    port: int = Field(default=8200, ge=1, le=65535)
    vpc_id: Annotated[str, matching(r"vpc-[0-9a-f]{8,17}", 'give the other VPC\'s id, "vpc-…"')]
    account: Annotated[str, matching(r"\d{12}", "give twelve digits")] | None = None
    region: Region | None = None
    role_arn: (
        Annotated[str, matching(r"arn:aws(-cn|-us-gov)?:iam::\d{12}:role/\S+", "give a role's ARN")] | None
    ) = None
    """The role in the other account that may accept the peering."""


class TransitVault(Section):
    """Vault behind a transit gateway that is there already and shared with this account."""

    where: Literal["transit-gateway"]
    cidrs: tuple[CidrRange, ...] = Field(min_length=1)
    port: int = Field(default=8200, ge=1, le=65535)
    transit_gateway_id: Annotated[str, matching(r"tgw-[0-9a-f]{8,17}", 'give its id, "tgw-…"')]


class VpnVault(Section):
    """Vault in a data centre behind a site-to-site VPN."""

    where: Literal["vpn"]
    cidrs: tuple[CidrRange, ...] = Field(min_length=1)
    port: int = Field(default=8200, ge=1, le=65535)
    gateway_address: Annotated[
        str, matching(r"(\d{1,3}\.){3}\d{1,3}", "give the public IPv4 address of your VPN device")
    ]
    gateway_asn: int = Field(default=65000, ge=1, le=4294967294)


class VaultHost(Section):
    """The sample host: one OpenBao or Vault in a private subnet of this VPC."""

    where: Literal["host"]
    port: int = Field(default=8200, ge=1024, le=65535)
    instance_type: InstanceType = "t3.small"
    storage_gb: int = Field(default=20, ge=8, le=1024)


Vault = Annotated[
    OutsideVault | PeeredVault | TransitVault | VpnVault | VaultHost, Field(discriminator="where")
]


class Replicator(Section):
    """What the function replicates, when, and what it may do."""

    mounts: tuple[MountText, ...] = Field(default=("beanvault",), min_length=1)
    prefix: SecretPath | None = None
    """Replicated secrets are called `<prefix>/<path>`; the deployment's name unless given."""
    schedule: Schedule = "rate(30 minutes)"
    deletion: Deletion = "retain"
    max_delete_share: float = Field(default=0.1, ge=0, le=1)
    """A plan that would delete more than this share of all managed secrets or of a mount's is refused."""
    adopt: tuple[SecretPath, ...] = ()
    """Secrets of others, by name below the prefix, that replication may take over."""
    replica_regions: tuple[Region, ...] = ()
    key_aliases: tuple[KeyAlias, ...] = ()
    """Keys, beside the deployment's own, that a path's custom metadata may ask for."""
    memory_mb: int = Field(default=512, ge=128, le=10240)
    timeout_seconds: int = Field(default=300, ge=60, le=900)

    @field_validator("mounts")
    @classmethod
    def _different_mounts(cls, texts: tuple[str, ...]) -> tuple[str, ...]:
        try:
            parse_mounts(texts)
        except MountError as error:
            raise mistake(str(error), "name each mount once") from None
        return texts

    @property
    def mount_paths(self) -> tuple[str, ...]:
        """The mounts' paths in Vault, without their kinds and parameters."""
        return tuple(mount.path for mount in parse_mounts(self.mounts))


class Alerts(Section):
    """Who hears of failures, and from when on replication counts as late."""

    emails: tuple[EmailAddress, ...] = ()
    webhooks: tuple[Webhook, ...] = ()
    lag_minutes: int = Field(default=60, ge=5, le=1440)


class Edge(Section):
    """The load balancer: who may reach it, and what guards it."""

    allow_from: tuple[CidrRange, ...] = Field(default=(Range("0.0.0.0/0"),), min_length=1)
    waf: bool = True
    waf_requests_per_five_minutes: int = Field(default=2000, ge=10, le=2_000_000_000)
    """Requests of one address within five minutes above which the web ACL blocks it."""
    deletion_protection: bool = True


class Storage(Section):
    """The log bucket, and Beanstalk's own bucket, of which an account has one per region."""

    beanstalk_bucket: Literal["create", "existing"] = "create"
    """`existing`: an environment or another deployment made the bucket; it is hardened in place."""


class Logs(Section):
    """Log groups and log objects."""

    retention_days: RetentionDays = 365


def partition_of(region: str) -> str:
    """Return the ARN partition of a region."""
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"


class Deployment(Section):
    """Everything one deployment file describes."""

    name: Name
    region: Region
    production: bool = False
    """Hold the whole file to the rules of production (see `templates.deployment_file`)."""
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
    def partition(self) -> str:
        """The ARN partition of the region."""
        return partition_of(self.region)

    @property
    def url_suffix(self) -> str:
        """The domain of AWS's endpoints in the partition."""
        return "amazonaws.com.cn" if self.partition == "aws-cn" else "amazonaws.com"

    @property
    def prefix(self) -> str:
        """What replicated secrets' names begin with, without the slash."""
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
        """Where the application's credential lies below its mount, and below the prefix in AWS."""
        return self.database.credential.removeprefix(f"{self.credential_mount}/")

    @property
    def connection_secret(self) -> str:
        """The name of the secret that tells the function where Vault is; outside the prefix on purpose."""
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
    def retention(self) -> dict[str, str]:
        """`DeletionPolicy` and `UpdateReplacePolicy` of what production must keep and a trial should not.

        What a failed creation made is empty, and its name would be in the way of the next try.
        https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-deletionpolicy.html
        """
        if self.production:
            return {"DeletionPolicy": "RetainExceptOnCreate", "UpdateReplacePolicy": "Retain"}
        return {"DeletionPolicy": "Delete", "UpdateReplacePolicy": "Delete"}

    def stack_name(self, layer: str) -> str:
        return f"{self.name}-{layer}"
