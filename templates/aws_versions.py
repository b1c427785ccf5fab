"""The names AWS changes every year, in one table: what the templates use, and what else is still supported.

Nothing checks these for us: a load balancer policy, a platform or a certificate authority that AWS no longer
offers is only refused while deploying. So each has its source page, and the day somebody last looked.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class Current:
    """One kind of name: the one in use, all that are acceptable, and where and when that was looked up."""

    use: str
    acceptable: frozenset[str]
    source: str
    checked: date

    def __post_init__(self) -> None:
        if self.use not in self.acceptable:
            raise ValueError(f"{self.use} is in use but not among the acceptable names of {self.source}")


_CHECKED = date(2026, 11, 23)

SSL_POLICY = Current(
    use="ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09",
    acceptable=frozenset(
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

FUNCTION_RUNTIME = Current(
    use="python3.14",
    acceptable=frozenset({"python3.13", "python3.14", "python3.15"}),
    source="https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html",
    checked=_CHECKED,
)

FUNCTION_RUNTIME_REASON = (
    "The newest Python but one: the newest is weeks old, and libraries are not yet tried on it."
)
"""Why no function has the newest runtime, for the checker that asks (AwsSolutions-L1)."""

# The version is pinned for the creation of an environment; its managed updates then move it on, and a stack
# update leaves it alone as long as this line stays as it is.
PLATFORM = Current(
    use="64bit Amazon Linux 2023 v4.9.2 running Python 3.14",
    acceptable=frozenset({"64bit Amazon Linux 2023 v4.9.2 running Python 3.14"}),
    source="https://docs.aws.amazon.com/elasticbeanstalk/latest/platforms/platforms-supported.html",
    checked=_CHECKED,
)

# The release series only: with automatic minor upgrades a pinned minor version would soon be a downgrade,
# which RDS refuses.
DATABASE_ENGINE_VERSION = Current(
    use="8.4",
    acceptable=frozenset({"8.4"}),
    source="https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/MySQL.Concepts.VersionMgmt.html",
    checked=_CHECKED,
)

DATABASE_PARAMETER_FAMILY = Current(
    use="mysql8.4",
    acceptable=frozenset({"mysql8.4"}),
    source="https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/MySQL.Concepts.VersionMgmt.html",
    checked=_CHECKED,
)

DATABASE_CERTIFICATE_AUTHORITY = Current(
    use="rds-ca-rsa4096-g1",
    acceptable=frozenset({"rds-ca-rsa2048-g1", "rds-ca-rsa4096-g1", "rds-ca-ecc384-g1"}),
    source="https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.SSL.html",
    checked=_CHECKED,
)

BY_PROPERTY: Mapping[tuple[str, str], Current] = {
    ("AWS::ElasticLoadBalancingV2::Listener", "SslPolicy"): SSL_POLICY,
    ("AWS::Lambda::Function", "Runtime"): FUNCTION_RUNTIME,
    ("AWS::RDS::DBInstance", "EngineVersion"): DATABASE_ENGINE_VERSION,
    ("AWS::RDS::DBInstance", "CACertificateIdentifier"): DATABASE_CERTIFICATE_AUTHORITY,
    ("AWS::RDS::DBParameterGroup", "Family"): DATABASE_PARAMETER_FAMILY,
}
