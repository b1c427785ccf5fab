"""The types of single values in the deployment file: their form, and the remedy for another form."""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Callable, Collection
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator
from pydantic_core import PydanticCustomError

from replicator.contract.mounts import MOUNT_FORMS, MountError, parse_mount
from templates.regions import REGIONS, SECONDARY_REGIONS, refusal, unknown

Range = ipaddress.IPv4Network

InterfaceEndpoint = Literal[
    "ec2", "ec2messages", "events", "kms", "logs", "secretsmanager", "sns", "ssm", "ssmmessages", "sts"
]


def invalid(problem: str, remedy: str) -> PydanticCustomError:
    """Return the error of a value, with a remedy."""
    return PydanticCustomError("invalid", "{problem}; {remedy}", {"problem": problem, "remedy": remedy})


def _range(value: object) -> Range:
    if isinstance(value, Range):
        return value
    if not isinstance(value, str):
        raise invalid("is not a string", 'give a range such as "10.20.0.0/16"')
    try:
        return Range(value)
    except ValueError as error:
        raise invalid(
            f"{value!r} is not an IPv4 range ({error})", 'give one such as "10.20.0.0/16"'
        ) from None


def matching(pattern: str, remedy: str) -> AfterValidator:
    """Return the check that all of a text matches *pattern*."""
    compiled = re.compile(pattern)

    def check(value: str) -> str:
        if not compiled.fullmatch(value):
            raise invalid(f"{value!r} is not valid", remedy)
        return value

    return AfterValidator(check)


CidrRange = Annotated[Range, BeforeValidator(_range)]
Name = Annotated[
    str,
    # Also the name of an RDS instance, which allows neither two hyphens in a row nor one at the end, and of a
    # load balancer, for which AWS and Beanstalk reserve some prefixes:
    # https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateLoadBalancer.html
    # https://docs.aws.amazon.com/elasticbeanstalk/latest/dg/environments-cfg-alb-shared.html
    matching(
        r"(?!internal(-|$)|awseb(-|$)|resources$)(?=.{2,20}$)[a-z][a-z0-9]*(-[a-z0-9]+)*",
        "use 2 to 20 lower-case letters, digits and single hyphens, without the prefix internal- or awseb-, "
        "and not resources, which is Beanstalk's own folder in its bucket",
    ),
]


def _region(regions: Collection[str], reason: Callable[[str], str | None], remedy: str) -> AfterValidator:
    """Return the check that a text is one of *regions*."""

    def check(name: str) -> str:
        if problem := reason(name):
            # To `us-gov-west-1`, a region of another partition, `us-west-1` would be close.
            known = () if name.startswith(("us-gov-", "cn-")) else regions
            close = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
            hint = f"did you mean {close[0]!r}? " if close else ""
            raise invalid(problem, hint + remedy)
        return name

    return AfterValidator(check)


Region = Annotated[str, _region(REGIONS, refusal, f"give one of {', '.join(sorted(REGIONS))}")]
SecondaryRegion = Annotated[str, _region(SECONDARY_REGIONS, unknown, 'give a region such as "eu-west-1"')]
HostName = Annotated[
    str,
    matching(
        r"(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}",
        'give a name such as "app.example.com"',
    ),
]
HostedZoneId = Annotated[
    str, matching(r"Z[A-Z0-9]{4,31}", 'give the zone\'s id, such as "Z0123456789ABCDEFGHIJ"')
]
CertificateArn = Annotated[
    str,
    matching(
        r"arn:aws:acm:[a-z0-9-]+:\d{12}:certificate/[A-Za-z0-9-]+",
        'give an ACM certificate\'s ARN, "arn:aws:acm:REGION:ACCOUNT:certificate/ID"',
    ),
]
KeyAlias = Annotated[str, matching(r"alias/(?!aws/)[A-Za-z0-9/_-]+", 'give an alias of your own: "alias/…"')]
EmailAddress = Annotated[
    str, matching(r"[^@\s]+@[^@\s]+\.[^@\s]+", 'give an address such as "ops@example.com"')
]
Webhook = Annotated[str, matching(r"https://[^\s/]+(/\S*)?", "give an https address")]
SecretPath = Annotated[
    str,
    matching(
        r"[A-Za-z0-9_+=.@-]+(/[A-Za-z0-9_+=.@-]+)*",
        "use letters, digits and _+=.@-, separated by single slashes",
    ),
]


def _mount(text: str) -> str:
    try:
        parse_mount(text)
    except MountError as error:
        raise invalid(str(error), MOUNT_FORMS) from None
    return text


MountText = Annotated[str, AfterValidator(_mount)]
Schedule = Annotated[
    str,
    matching(
        r"rate\((1 (minute|hour|day)|([2-9]|[1-9]\d+) (minutes|hours|days))\)|cron\(\S+( \S+){5}\)",
        'write "rate(30 minutes)" or "cron(0/30 * * * ? *)"',
    ),
]
Deletion = Annotated[
    str,
    # Secrets Manager's recovery window is 7 to 30 days.
    matching(r"retain|schedule:([7-9]|[12]\d|30)", 'write "retain" or "schedule:DAYS" with 7 to 30 days'),
]
# Values that both CloudWatch Logs and Beanstalk accept; Beanstalk creates log groups of its own.
# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html,
# https://docs.aws.amazon.com/elasticbeanstalk/latest/dg/command-options-general.html
RetentionDays = Literal[1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1827, 3653]
VariableName = Annotated[
    str, matching(r"[A-Za-z_][A-Za-z0-9_.:/+@-]*", "begin with a letter or underscore, and use no spaces")
]
InstanceType = Annotated[str, matching(r"[a-z][a-z0-9-]*\.[a-z0-9-]+", 'name a type such as "t3.small"')]


def _public_address(value: str) -> str:
    try:
        address = ipaddress.IPv4Address(value)
    except ValueError:
        raise invalid(
            f"{value!r} is not an IPv4 address", "give the public IPv4 address of your VPN device"
        ) from None
    # https://docs.aws.amazon.com/vpn/latest/s2svpn/cgw-options.html: a static address of the internet.
    if not address.is_global or address.is_multicast:
        raise invalid(f"{value} is not a public address", "give the public IPv4 address of your VPN device")
    return value


PublicAddress = Annotated[str, AfterValidator(_public_address)]


XEN_FAMILIES = frozenset(
    {"c1", "c3", "c4", "d2", "f1", "g2", "g3", "g3s", "h1", "i2", "i3", "m1", "m2", "m3", "m4", "p2", "p3"}
    | {"r3", "r4", "t1", "t2", "x1", "x1e"}
)
"""Families on the Xen hypervisor, except their `metal` sizes: EBS volumes have no NVMe names there.

https://docs.aws.amazon.com/ec2/latest/instancetypes/ec2-nitro-instances.html, 2026-11-30
"""


def _on_nitro(value: str) -> str:
    family, _, size = value.partition(".")
    if family in XEN_FAMILIES and not size.startswith("metal"):
        raise invalid(
            f"{value!r} is not built on the Nitro System, so the host can't find its data volume by its id",
            'name a type such as "t3.small" or "t4g.small"',
        )
    return value


NitroType = Annotated[InstanceType, AfterValidator(_on_nitro)]


def is_graviton(instance_type: str) -> bool:
    """Whether a type has a Graviton (ARM) processor: the `g` of `t4g`, which A1 is older than."""
    return re.match(r"[a-z]+\d+[a-z]*g|a1$", instance_type.split(".")[0]) is not None


def architecture(instance_type: str) -> str:
    """Return a type's processor architecture, as EC2 and Beanstalk name it."""
    return "arm64" if is_graviton(instance_type) else "x86_64"


Platform = Annotated[
    str,
    matching(
        r"Python 3\.\d+ running on 64bit Amazon Linux 2023",
        "name the branch, without a version, as `aws elasticbeanstalk list-platform-branches` does: "
        '"Python 3.14 running on 64bit Amazon Linux 2023"',
    ),
]
TagKey = Annotated[
    str,
    matching(r"(?!aws:)(?!beanvault:)[\w .:/=+@-]{1,128}", "do not begin with aws: or beanvault:"),
]
