"""Beanstalk's option settings: which namespaces and options there are, and which values each takes.

CloudFormation hands option settings to Beanstalk unread, and no checker knows their names: a misspelt option
is found when the environment is created, or never. So an `OptionSetting` can't be made of a namespace, name
or value that AWS's two pages don't list.

The table holds the whole option list of every namespace we use. Sources, read on 2026-11-23:
https://docs.aws.amazon.com/elasticbeanstalk/latest/dg/command-options-general.html
https://docs.aws.amazon.com/elasticbeanstalk/latest/dg/command-options-specific.html
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from troposphere import AWSHelperFn
from troposphere.elasticbeanstalk import OptionSetting as _OptionSetting


class UnknownOption(ValueError):
    """An option setting that Beanstalk would refuse or, worse, ignore; the message says what it takes."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few words."""

    values: frozenset[str]

    def fault(self, value: str) -> str | None:
        """Say what is wrong with *value*, or None."""
        return None if value in self.values else f"one of {', '.join(sorted(self.values))}"


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number between two bounds, both included."""

    low: int
    high: int

    def fault(self, value: str) -> str | None:
        """Say what is wrong with *value*, or None."""
        fits = re.fullmatch(r"-?\d+", value) is not None and self.low <= int(value) <= self.high
        return None if fits else f"a whole number from {self.low} to {self.high}"


@dataclass(frozen=True, slots=True)
class Text:
    """Text of a certain form; anything but the empty text unless a form is given."""

    form: str = r"(?s).+"
    means: str = "text"

    def fault(self, value: str) -> str | None:
        """Say what is wrong with *value*, or None."""
        return None if re.fullmatch(self.form, value) else self.means


Kind = Choice | Whole | Text


def _choice(*values: str) -> Choice:
    return Choice(frozenset(values))


_FLAG = _choice("true", "false")
_TEXT = Text()
_LIST = Text(r"[^,\s]+(,[^,\s]+)*", "a list with commas and without blanks")
_PATH = Text(r"/\S*", "a path that starts with /")
_DURATION = Text(r"PT(\d+H)?(\d+M)?(\d+S)?", "a duration such as PT30M")
_DAY_AND_TIME = Text(
    r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun):([01]\d|2[0-3]):[0-5]\d", "a day and a time such as Tue:09:00"
)
_RETENTION = _choice(
    "1",
    "3",
    "5",
    "7",
    "14",
    "30",
    "60",
    "90",
    "120",
    "150",
    "180",
    "365",
    "400",
    "545",
    "731",
    "1827",
    "3653",
)
_ANY_NAME = "*"

_PROCESS: Mapping[str, Kind] = {
    "DeregistrationDelay": Whole(0, 3600),
    "HealthCheckInterval": Whole(5, 300),
    "HealthCheckPath": _PATH,
    "HealthCheckTimeout": Whole(1, 60),
    "HealthyThresholdCount": Whole(2, 10),
    "MatcherHTTPCode": Text(r"[2-4]\d\d([,-][2-4]\d\d)*", "HTTP codes from 200 to 499"),
    "Port": Whole(1, 65535),
    "Protocol": _choice("HTTP", "HTTPS"),  # TCP belongs to network load balancers, which nobody has here
    "StickinessEnabled": _FLAG,
    "StickinessLBCookieDuration": Whole(1, 604800),
    "StickinessType": _choice("lb_cookie"),
    "UnhealthyThresholdCount": Whole(2, 10),
}

# A `*` in a namespace stands for a name of one's own: a port, a rule, a process. As an option, for any name.
TABLE: Mapping[str, Mapping[str, Kind]] = {
    "aws:autoscaling:asg": {
        "Availability Zones": _choice("Any", "Any 1", "Any 2", "Any 3"),
        "Cooldown": Whole(0, 10000),
        "Custom Availability Zones": _LIST,
        "EnableCapacityRebalancing": _FLAG,
        "MaxSize": Whole(1, 10000),
        "MinSize": Whole(1, 10000),
    },
    "aws:autoscaling:launchconfiguration": {
        "BlockDeviceMappings": _TEXT,
        "DisableDefaultEC2SecurityGroup": _FLAG,
        "DisableIMDSv1": _FLAG,
        "EC2KeyName": _TEXT,
        "IamInstanceProfile": _TEXT,
        "ImageId": Text(r"ami-[0-9a-f]+", "the id of an image"),
        "InstanceType": _TEXT,
        "LaunchTemplateTagPropagationEnabled": _FLAG,
        "MonitoringInterval": _choice("1 minute", "5 minute"),
        "RootVolumeIOPS": Whole(100, 20000),
        "RootVolumeSize": Whole(8, 16384),
        "RootVolumeThroughput": Whole(125, 1000),
        "RootVolumeType": _choice("standard", "gp2", "gp3", "io1"),
        "SSHSourceRestriction": _TEXT,
        "SecurityGroups": _LIST,
    },
    "aws:autoscaling:trigger": {
        "BreachDuration": Whole(1, 600),
        "EvaluationPeriods": Whole(1, 600),
        "LowerBreachScaleIncrement": Whole(-10000, 10000),
        "LowerThreshold": Whole(0, 20000000),
        # With a shared load balancer there are no HealthyHostCount, UnhealthyHostCount, TargetResponseTime.
        "MeasureName": _choice(
            "CPUUtilization",
            "DiskReadBytes",
            "DiskReadOps",
            "DiskWriteBytes",
            "DiskWriteOps",
            "Latency",
            "NetworkIn",
            "NetworkOut",
            "RequestCount",
        ),
        "Period": Whole(1, 600),
        "Statistic": _choice("Minimum", "Maximum", "Sum", "Average"),
        "Unit": _choice(
            "Seconds",
            "Percent",
            "Bytes",
            "Bits",
            "Count",
            "Bytes/Second",
            "Bits/Second",
            "Count/Second",
            "None",
        ),
        "UpperBreachScaleIncrement": Whole(-10000, 10000),
        "UpperThreshold": Whole(0, 20000000),
    },
    "aws:autoscaling:updatepolicy:rollingupdate": {
        "MaxBatchSize": Whole(1, 10000),
        "MinInstancesInService": Whole(0, 9999),
        "PauseTime": _DURATION,
        "RollingUpdateEnabled": _FLAG,
        "RollingUpdateType": _choice("Time", "Health", "Immutable"),
        "Timeout": _DURATION,
    },
    "aws:ec2:instances": {
        "EnableSpot": _FLAG,
        "InstanceTypes": _LIST,
        "SpotAllocationStrategy": _choice(
            "capacity-optimized", "price-capacity-optimized", "capacity-optimized-prioritized", "lowest-price"
        ),
        "SpotFleetOnDemandAboveBasePercentage": Whole(0, 100),
        "SpotFleetOnDemandBase": Whole(0, 10000),
        "SpotMaxPrice": Text(r"null|\d+(\.\d+)?", "a price in US$ or null"),
        "SupportedArchitectures": Text(
            r"(arm64|x86_64|i386)(,(arm64|x86_64|i386))*", "a list of architectures"
        ),
    },
    "aws:ec2:vpc": {
        "AssociatePublicIpAddress": _FLAG,
        "DBSubnets": _LIST,
        "ELBScheme": _choice("public", "internal"),
        "ELBSubnets": _LIST,
        "Subnets": _LIST,
        "VPCId": Text(r"vpc-[0-9a-f]+", "the id of a VPC"),
    },
    "aws:elasticbeanstalk:application": {
        "Application Healthcheck URL": Text(
            r"((HTTPS?|TCP|SSL):\d+)?/\S*", "a path, maybe with protocol and port"
        ),
    },
    "aws:elasticbeanstalk:application:environment": {_ANY_NAME: Text(r"(?s).*")},
    "aws:elasticbeanstalk:cloudwatch:logs": {
        "DeleteOnTerminate": _FLAG,
        "RetentionInDays": _RETENTION,
        "StreamLogs": _FLAG,
    },
    "aws:elasticbeanstalk:cloudwatch:logs:health": {
        "DeleteOnTerminate": _FLAG,
        "HealthStreamingEnabled": _FLAG,
        "RetentionInDays": _RETENTION,
    },
    "aws:elasticbeanstalk:command": {
        "BatchSize": Whole(1, 10000),
        "BatchSizeType": _choice("Percentage", "Fixed"),
        "DeploymentPolicy": _choice(
            "AllAtOnce", "Rolling", "RollingWithAdditionalBatch", "Immutable", "TrafficSplitting"
        ),
        "IgnoreHealthCheck": _FLAG,
        "Timeout": Whole(1, 3600),
    },
    "aws:elasticbeanstalk:container:python": {
        "NumProcesses": Whole(1, 1000),
        "NumThreads": Whole(1, 1000),
        "WSGIPath": _TEXT,
    },
    "aws:elasticbeanstalk:environment": {
        "EnvironmentType": _choice("SingleInstance", "LoadBalanced"),
        "LoadBalancerIsShared": _FLAG,
        "LoadBalancerType": _choice("classic", "application", "network"),
        "ServiceRole": _TEXT,
    },
    "aws:elasticbeanstalk:environment:process:*": _PROCESS,
    "aws:elasticbeanstalk:environment:proxy": {"ProxyServer": _choice("nginx", "apache")},
    "aws:elasticbeanstalk:environment:proxy:staticfiles": {_ANY_NAME: _TEXT},
    "aws:elasticbeanstalk:healthreporting:system": {
        "ConfigDocument": Text(r"(?s)\{.*\}", "a JSON object"),
        "EnhancedHealthAuthEnabled": _FLAG,
        "HealthCheckSuccessThreshold": _choice("Ok", "Warning", "Degraded", "Severe"),
        "SystemType": _choice("basic", "enhanced"),
    },
    "aws:elasticbeanstalk:hostmanager": {"LogPublicationControl": _FLAG},
    "aws:elasticbeanstalk:managedactions": {
        "ManagedActionsEnabled": _FLAG,
        "PreferredStartTime": _DAY_AND_TIME,
        "ServiceRoleForManagedUpdates": _TEXT,
    },
    "aws:elasticbeanstalk:managedactions:platformupdate": {
        "InstanceRefreshEnabled": _FLAG,
        "UpdateLevel": _choice("patch", "minor"),
    },
    "aws:elasticbeanstalk:sns:topics": {
        "Notification Endpoint": _TEXT,
        "Notification Protocol": _choice("http", "https", "email", "email-json", "sqs"),
        "Notification Topic ARN": Text(r"arn:\S+", "the ARN of a topic"),
        "Notification Topic Name": _TEXT,
    },
    "aws:elasticbeanstalk:trafficsplitting": {
        "EvaluationTime": Whole(3, 600),
        "NewVersionPercent": Whole(1, 100),
    },
    "aws:elasticbeanstalk:xray": {"XRayEnabled": _FLAG},
    # With a shared load balancer, only `Rules` of these takes effect.
    "aws:elbv2:listener:*": {
        "DefaultProcess": _TEXT,
        "ListenerEnabled": _FLAG,
        "Protocol": _choice("HTTP", "HTTPS"),
        "Rules": _LIST,
        "SSLCertificateArns": Text(r"arn:\S+", "the ARN of a certificate"),
        "SSLPolicy": _TEXT,
    },
    "aws:elbv2:listenerrule:*": {
        "HostHeaders": _LIST,
        "PathPatterns": _LIST,
        "Priority": Whole(1, 1000),
        "Process": _TEXT,
    },
    "aws:elbv2:loadbalancer": {
        "AccessLogsS3Bucket": _TEXT,
        "AccessLogsS3Enabled": _FLAG,
        "AccessLogsS3Prefix": _TEXT,
        "IdleTimeout": Whole(1, 3600),
        "IpAddressType": _choice("ipv4", "dualstack"),
        "ManagedSecurityGroup": Text(r"sg-[0-9a-f]+", "the id of a security group"),
        "SecurityGroups": _LIST,
        "SharedLoadBalancer": Text(r"arn:\S+", "the ARN of a load balancer"),
    },
}


def kind_of(namespace: str, name: str) -> Kind:
    """Return what the option takes.

    Raises:
        UnknownOption: the namespace or the option is in neither of AWS's pages.
    """
    options = TABLE.get(namespace) or TABLE.get(f"{namespace.rpartition(':')[0]}:*")
    if options is None:
        raise UnknownOption(f"Beanstalk has no namespace {namespace}")
    kind = options.get(name) or options.get(_ANY_NAME)
    if kind is None:
        raise UnknownOption(
            f"Beanstalk has no option {name} in {namespace}; it has {', '.join(sorted(options))}"
        )
    return kind


@dataclass(frozen=True, slots=True)
class OptionSetting:
    """One option setting that Beanstalk knows; *value* is text, or a reference resolved at deployment.

    Raises:
        UnknownOption: namespace, name or value are not in the table; also for a reference where the option
            takes only certain words or a number, because nobody could check it.
    """

    namespace: str
    name: str
    value: str | AWSHelperFn

    def __post_init__(self) -> None:
        kind = kind_of(self.namespace, self.name)
        if isinstance(self.value, str):
            fault = kind.fault(self.value)
        else:
            fault = None if isinstance(kind, Text) else "a plain value, not a reference"
        if fault is not None:
            raise UnknownOption(f"{self.namespace} {self.name} takes {fault}, not {self.value!r}")

    def rendered(self) -> _OptionSetting:
        """Return the property of `AWS::ElasticBeanstalk::Environment`."""
        return _OptionSetting(Namespace=self.namespace, OptionName=self.name, Value=self.value)
