"""The names that AWS changes every year, in one table: the one in use, and all that AWS still supports.

No checker knows these: a TLS policy, a platform or a certificate authority that AWS no longer offers is only
refused while deploying. So each has its source page, and the day it was last checked.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class AwsVersion:
    """One kind of name: the one in use, all that are supported, and where and when this was checked."""

    in_use: str
    supported: frozenset[str]
    source: str
    checked: date

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
)

FUNCTION_RUNTIME_REASON = (
    "The second newest Python: the newest is weeks old, and libraries are not yet tested with it."
)
"""Why no function has the newest runtime, as cdk-nag's AwsSolutions-L1 requires."""

# The version is pinned for the creation of an environment; its managed updates then move it on, and a stack
# update leaves it alone as long as this line stays as it is.
PLATFORM = AwsVersion(
    in_use="64bit Amazon Linux 2023 v4.9.2 running Python 3.14",
    supported=frozenset({"64bit Amazon Linux 2023 v4.9.2 running Python 3.14"}),
    source="https://docs.aws.amazon.com/elasticbeanstalk/latest/platforms/platforms-supported.html",
    checked=_CHECKED,
)

# The release series only: with automatic minor upgrades a pinned minor version would soon be a downgrade,
# which RDS refuses.
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
