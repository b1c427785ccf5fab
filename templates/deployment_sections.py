"""The tables of the deployment file: the keys of each, with their ranges and defaults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from templates.deployment_values import (
    CertificateArn,
    CidrRange,
    EmailAddress,
    HostedZoneId,
    HostName,
    InstanceType,
    InterfaceEndpoint,
    NitroType,
    Platform,
    PublicAddress,
    Range,
    RetentionDays,
    SecondaryRegion,
    SecretPath,
    VariableName,
    Webhook,
    invalid,
    is_graviton,
    matching,
)

CREDENTIAL = "beanvault/app/database"
"""`<mount>/<path>` in Vault of the application's database credential, unless configured."""


class Section(BaseModel):
    """A table of the deployment file: frozen, without unknown keys or implicit type conversion."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Network(Section):
    """The VPC: its range, its availability zones, and how it reaches the internet and AWS."""

    availability_zones: int = Field(default=2, ge=2, le=3)
    cidr: CidrRange = Range("10.20.0.0/16")
    nat: Literal["per-az", "single"] = "per-az"
    endpoints: tuple[InterfaceEndpoint, ...] = ()
    """Interface endpoints; other services are reached through NAT. S3 always has its gateway endpoint."""

    @field_validator("cidr")
    @classmethod
    def _large_enough(cls, cidr: Range) -> Range:
        if not 16 <= cidr.prefixlen <= 24:
            # A /24 has sixteen /28, the smallest subnet size, for at most nine subnets. An ALB needs eight
            # free addresses in each of its subnets; a /28, with five reserved ones, has eleven.
            raise invalid(
                f"a /{cidr.prefixlen} cannot be divided into the subnets", "give a range from /16 to /24"
            )
        if not cidr.is_private:
            raise invalid(
                f"{cidr} is not a private range",
                "give one within 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16",
            )
        return cidr

    @property
    def subnets(self) -> tuple[tuple[Range, ...], tuple[Range, ...], tuple[Range, ...]]:
        """The ranges of the public, application and database subnets, one of each per availability zone.

        The VPC is divided into sixteen equal parts; the last ones are reserved for later use.
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
    """A certificate that is already in ACM; the alias record is created where the zone is given."""

    certificate: Literal["existing"]
    name: HostName
    certificate_arn: CertificateArn
    hosted_zone_id: HostedZoneId | None = None


class SelfSignedCertificate(Section):
    """For a trial: `beanvault` creates a certificate, imports it to ACM and passes it as `CertificateArn`."""

    certificate: Literal["self-signed"] = "self-signed"
    name: HostName | None = None


Domain = Annotated[
    IssuedCertificate | ExistingCertificate | SelfSignedCertificate, Field(discriminator="certificate")
]


class App(Section):
    """The Beanstalk application: its instances and its platform."""

    instance_types: tuple[InstanceType, ...] = Field(default=("t3.small",), min_length=1)
    min_instances: int = Field(default=2, ge=1, le=1000)
    max_instances: int = Field(default=4, ge=1, le=1000)
    platform: Platform | None = None
    """The platform branch; none means `templates.aws_versions.PLATFORM`. AWS recommends the version in it."""
    environment: Mapping[VariableName, str] = {}
    """Environment properties in addition to the project's own. The console shows them, so never a secret."""

    @field_validator("instance_types")
    @classmethod
    def _one_architecture(cls, types: tuple[str, ...]) -> tuple[str, ...]:
        """Beanstalk launches all instances from one image."""
        graviton = [each for each in types if is_graviton(each)]
        if graviton and len(graviton) < len(types):
            raise invalid(
                f"{', '.join(graviton)} have another processor architecture than the rest",
                "give types of one architecture, Graviton (such as t4g) or x86 (such as t3)",
            )
        return types

    @field_validator("max_instances")
    @classmethod
    def _not_below_minimum(cls, value: int, info: ValidationInfo) -> int:
        minimum = info.data.get("min_instances")
        if minimum is not None and value < minimum:
            raise invalid(f"{value} is below min_instances ({minimum})", f"give {minimum} or more")
        return value

    @field_validator("environment")
    @classmethod
    def _not_ours(cls, value: Mapping[str, str]) -> Mapping[str, str]:
        if ours := sorted(name for name in value if name.startswith("BEANVAULT_")):
            raise invalid(
                f"{', '.join(ours)} would override the project's own",
                "use names without the prefix BEANVAULT_",
            )
        return value


class Database(Section):
    """RDS MySQL, and how the application logs in to it."""

    instance_class: Annotated[
        str, matching(r"db\.[a-z0-9-]+\.[a-z0-9]+", 'give a class such as "db.t4g.micro"')
    ] = "db.t4g.micro"
    engine_version: Literal["8.4", "9.7"] = "8.4"
    """MySQL's release series: both are LTS. From 8.4 to 9.7 RDS upgrades in place, and never back."""
    storage_gb: int = Field(default=20, ge=20, le=65536)
    max_storage_gb: int | None = Field(default=None, ge=22, le=65536)
    """Limit of storage autoscaling; none means no autoscaling."""
    multi_az: bool = False
    backup_days: int = Field(default=7, ge=1, le=35)
    backup_plan: bool = False
    """An AWS Backup plan in addition to RDS's own backups."""
    port: int = Field(default=3307, ge=1150, le=65535)
    deletion_protection: bool = True
    performance_insights: bool = False
    mode: Literal["secret", "iam", "proxy"] = "secret"
    """Log in with the replicated secret, with an IAM token, or with the secret through RDS Proxy."""
    credential: SecretPath = CREDENTIAL
    """`<mount>/<path>` in Vault of the application's credential: in a KV mount, or a static role's name."""
    ca_file: str | None = None
    """PEM file on this machine with the authorities of the database; none means those of RDS in the project.

    It becomes part of the bootstrap function and of the app's bundle. Required in ap-southeast-5,
    ap-southeast-6, ap-southeast-7, ca-west-1 and il-central-1, whose authorities the project doesn't have:
    [TLS to the database](../app.md#tls-to-the-database).
    """
    connection_age_seconds: int = Field(default=300, ge=1, le=3600)
    """Age at which the application replaces a connection, and with it the credential used to log in."""
    secret_ttl_seconds: int = Field(default=60, ge=1, le=3600)
    """How long the application caches the credential before it reads the secret again."""

    @field_validator("port")
    @classmethod
    def _not_the_default(cls, port: int) -> int:
        if port == 3306:
            raise invalid(
                "3306 is the default port (control RDS.23)",
                "give another, such as 3307",
            )
        return port

    @field_validator("max_storage_gb")
    @classmethod
    def _above_storage(cls, value: int | None, info: ValidationInfo) -> int | None:
        storage = info.data.get("storage_gb")
        # RDS requires at least 10 % above the allocated storage.
        if value is not None and storage is not None and value * 10 < storage * 11:
            least = -(-storage * 11 // 10)
            raise invalid(f"{value} is less than 10 % above storage_gb ({storage})", f"give {least} or more")
        return value


class OutsideVault(Section):
    """Vault at addresses that the NAT gateways reach: only these ranges, only this port."""

    where: Literal["outside"]
    cidrs: tuple[CidrRange, ...] = Field(min_length=1)
    port: int = Field(default=8200, ge=1, le=65535)


class PeeredVault(Section):
    """Vault in a peered VPC: of this account, in any region, or of another account that has a role for it."""

    where: Literal["peering"]
    cidrs: tuple[CidrRange, ...] = Field(min_length=1)
    port: int = Field(default=8200, ge=1, le=65535)
    vpc_id: Annotated[str, matching(r"vpc-[0-9a-f]{8,17}", 'give the other VPC\'s id, "vpc-…"')]
    account: Annotated[str, matching(r"\d{12}", "give twelve digits")] | None = None
    region: SecondaryRegion | None = None
    role_arn: Annotated[str, matching(r"arn:aws:iam::\d{12}:role/\S+", "give a role's ARN")] | None = None
    """The role in the other account that accepts the peering; CloudFormation doesn't wait for a manual
    acceptance."""


class TransitVault(Section):
    """Vault behind an existing transit gateway that is shared with this account."""

    where: Literal["transit-gateway"]
    cidrs: tuple[CidrRange, ...] = Field(min_length=1)
    port: int = Field(default=8200, ge=1, le=65535)
    transit_gateway_id: Annotated[str, matching(r"tgw-[0-9a-f]{8,17}", 'give its id, "tgw-…"')]


class VpnVault(Section):
    """Vault in a data centre behind a site-to-site VPN."""

    where: Literal["vpn"]
    cidrs: tuple[CidrRange, ...] = Field(min_length=1)
    port: int = Field(default=8200, ge=1, le=65535)
    gateway_address: PublicAddress
    gateway_asn: int = Field(default=65000, ge=1, le=4294967294)


class VaultHost(Section):
    """The sample host: one OpenBao in a private subnet of this VPC."""

    where: Literal["host"]
    port: int = Field(default=8200, ge=1024, le=65535)
    instance_type: NitroType = "t3.small"
    storage_gb: int = Field(default=20, ge=8, le=1024)


Vault = Annotated[
    OutsideVault | PeeredVault | TransitVault | VpnVault | VaultHost, Field(discriminator="where")
]


class Alerts(Section):
    """Who is notified of failures, and from when replication counts as late."""

    emails: tuple[EmailAddress, ...] = ()
    webhooks: tuple[Webhook, ...] = ()
    lag_minutes: int = Field(default=60, ge=5, le=1440)


class Edge(Section):
    """The load balancer: which clients can reach it, and what protects it."""

    allow_from: tuple[CidrRange, ...] = Field(default=(Range("0.0.0.0/0"),), min_length=1)
    waf: bool = True
    waf_requests_per_five_minutes: int = Field(default=2000, ge=10, le=2_000_000_000)
    """Requests within five minutes above which the web ACL blocks a client address."""
    deletion_protection: bool = True


class Storage(Section):
    """Beanstalk's own bucket, of which an account has one per region."""

    beanstalk_bucket: Literal["create", "existing"] = "create"
    """`existing`: an environment or another deployment created the bucket. Its settings stay as they are; a
    statement and lifecycle rules for the deployment's own objects are added, and removed by `destroy`."""


class Logs(Section):
    """Log groups and the objects of the log bucket."""

    retention_days: RetentionDays = 365
