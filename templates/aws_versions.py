"""The names that AWS changes every year, in one table: the one in use, and all that AWS still supports.

No checker knows these: a TLS policy, a platform or a certificate authority that AWS no longer offers is only
refused while deploying. So each has its source page, the day it was last checked, and the day of its end
where AWS publishes one. `beanvault doctor` compares them with what AWS says.

These are branches, series and families, which live for years. A version within one lives for weeks: it is
asked for while deploying (`beanvault.deployment.platform_version`), or left to AWS.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date


@dataclass(frozen=True, slots=True)
class AwsVersion:
    """One kind of name: the one in use, all that are supported, and where and when this was checked."""

    in_use: str
    supported: frozenset[str]
    source: str
    checked: date
    ends: Mapping[str, date] = field(default_factory=dict)
    """The day on which AWS ends its support of a name, where it publishes one."""

    def __post_init__(self) -> None:
        if self.in_use not in self.supported:
            raise ValueError(f"{self.in_use} is in use but not among the supported names of {self.source}")


_CHECKED = date(2026, 11, 23)

LOAD_BALANCER_TLS_POLICY = AwsVersion(
    in_use="ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09",
    supported=frozenset(
        {
            "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09",
            "ELBSecurityPolicy-TLS13-1-3-PQ-2025-09",
            "ELBSecurityPolicy-TLS13-1-2-Res-FIPS-PQ-2025-09",
            "ELBSecurityPolicy-TLS13-1-3-FIPS-PQ-2025-09",
        }
    ),
    source="https://docs.aws.amazon.com/elasticloadbalancing/latest/application/describe-ssl-policies.html",
    checked=_CHECKED,
)

FUNCTION_RUNTIME = AwsVersion(
    in_use="python3.14",
    supported=frozenset({"python3.13", "python3.14", "python3.15"}),
    source="https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html",
    checked=_CHECKED,
    # The days of deprecation. For 3.14 AWS's pages differ (2029 or 2030), so the earlier one counts.
    ends={"python3.13": date(2029, 6, 30), "python3.14": date(2029, 6, 30)},
)

FUNCTION_RUNTIME_REASON = (
    "The second newest Python: the newest is weeks old, and libraries are not yet tested with it."
)
"""Why no function has the newest runtime, as cdk-nag's AwsSolutions-L1 requires."""

# The branch only: Beanstalk offers a superseded version only to accounts that used it in the last 30 days.
# The EB CLI takes the same name: `eb init --platform "…"`.
PLATFORM = AwsVersion(
    in_use="Python 3.14 running on 64bit Amazon Linux 2023",
    supported=frozenset(
        {
            "Python 3.13 running on 64bit Amazon Linux 2023",
            "Python 3.14 running on 64bit Amazon Linux 2023",
        }
    ),
    source="https://docs.aws.amazon.com/elasticbeanstalk/latest/platforms/platforms-supported.html",
    checked=_CHECKED,
)

# The release series only: with automatic minor upgrades a pinned minor version would soon be a downgrade,
# which RDS refuses. RDS takes a series and runs its default minor version, and CloudFormation compares the
# property as a prefix: the schema of AWS::RDS::DBInstance has `$join([$string(EngineVersion), ".*"])`.
# https://registry.terraform.io/providers/hashicorp/aws/latest/docs/resources/db_instance#engine_version-1
DATABASE_ENGINE_VERSION = AwsVersion(
    in_use="8.4",
    supported=frozenset({"8.4", "9.7"}),
    source="https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/MySQL.Concepts.VersionMgmt.html",
    checked=_CHECKED,
)

DATABASE_PARAMETER_FAMILY = AwsVersion(
    in_use="mysql8.4",
    supported=frozenset({"mysql8.4", "mysql9.7"}),
    source="https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/MySQL.Concepts.VersionMgmt.html",
    checked=_CHECKED,
)

DATABASE_CERTIFICATE_AUTHORITY = AwsVersion(
    in_use="rds-ca-rsa4096-g1",
    supported=frozenset({"rds-ca-rsa2048-g1", "rds-ca-rsa4096-g1", "rds-ca-ecc384-g1"}),
    source="https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.SSL.html",
    checked=_CHECKED,
)

BY_PROPERTY: Mapping[tuple[str, str], AwsVersion] = {
    ("AWS::ElasticLoadBalancingV2::Listener", "SslPolicy"): LOAD_BALANCER_TLS_POLICY,
    ("AWS::Lambda::Function", "Runtime"): FUNCTION_RUNTIME,
    ("AWS::RDS::DBInstance", "EngineVersion"): DATABASE_ENGINE_VERSION,
    ("AWS::RDS::DBInstance", "CACertificateIdentifier"): DATABASE_CERTIFICATE_AUTHORITY,
    ("AWS::RDS::DBParameterGroup", "Family"): DATABASE_PARAMETER_FAMILY,
}
