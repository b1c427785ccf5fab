"""Beanstalk's namespaces and options, and the values each takes.

The table has the whole option list of every namespace in use. Sources, read on 2026-11-23:
https://docs.aws.amazon.com/elasticbeanstalk/latest/dg/command-options-general.html
https://docs.aws.amazon.com/elasticbeanstalk/latest/dg/command-options-specific.html
"""

from collections.abc import Mapping

from templates.beanstalk_options.values import Choice, Integer, Text, ValueKind


def _choice(*values: str) -> Choice:
    return Choice(frozenset(values))


_FLAG = _choice("true", "false")
_TEXT = Text()
_LIST = Text(r"[^,\s]+(,[^,\s]+)*", "a comma-separated list without blanks")
_PATH = Text(r"/\S*", "a path that starts with /")
_DURATION = Text(r"PT(\d+H)?(\d+M)?(\d+S)?", "a duration such as PT30M")
_DAY_AND_TIME = Text(
    r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun):([01]\d|2[0-3]):[0-5]\d", "a day and a time such as Tue:09:00"
)
_RETENTION = _choice(
    *[
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
    ]
)
ANY_NAME = "*"

_PROCESS: Mapping[str, ValueKind] = {
    "DeregistrationDelay": Integer(0, 3600),
    "HealthCheckInterval": Integer(5, 300),
    "HealthCheckPath": _PATH,
    "HealthCheckTimeout": Integer(1, 60),
    "HealthyThresholdCount": Integer(2, 10),
    "MatcherHTTPCode": Text(r"[2-4]\d\d([,-][2-4]\d\d)*", "HTTP codes from 200 to 499"),
    "Port": Integer(1, 65535),
    "Protocol": _choice("HTTP", "HTTPS"),  # TCP is for network load balancers
    "StickinessEnabled": _FLAG,
    "StickinessLBCookieDuration": Integer(1, 604800),
    "StickinessType": _choice("lb_cookie"),
    "UnhealthyThresholdCount": Integer(2, 10),
}

# A `*` in a namespace stands for a custom name: a port, a rule, a process. As an option, for any name.
OPTIONS: Mapping[str, Mapping[str, ValueKind]] = {
    "aws:autoscaling:asg": {
        "Availability Zones": _choice("Any", "Any 1", "Any 2", "Any 3"),
        "Cooldown": Integer(0, 10000),
        "Custom Availability Zones": _LIST,
        "EnableCapacityRebalancing": _FLAG,
        "MaxSize": Integer(1, 10000),
        "MinSize": Integer(1, 10000),
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
        "RootVolumeIOPS": Integer(100, 20000),
        "RootVolumeSize": Integer(8, 16384),
        "RootVolumeThroughput": Integer(125, 1000),
        "RootVolumeType": _choice("standard", "gp2", "gp3", "io1"),
        "SSHSourceRestriction": _TEXT,
        "SecurityGroups": _LIST,
    },
    "aws:autoscaling:trigger": {
        "BreachDuration": Integer(1, 600),
        "EvaluationPeriods": Integer(1, 600),
        "LowerBreachScaleIncrement": Integer(-10000, 10000),
        "LowerThreshold": Integer(0, 20000000),
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
        "Period": Integer(1, 600),
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
        "UpperBreachScaleIncrement": Integer(-10000, 10000),
        "UpperThreshold": Integer(0, 20000000),
    },
    "aws:autoscaling:updatepolicy:rollingupdate": {
        "MaxBatchSize": Integer(1, 10000),
        "MinInstancesInService": Integer(0, 9999),
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
        "SpotFleetOnDemandAboveBasePercentage": Integer(0, 100),
        "SpotFleetOnDemandBase": Integer(0, 10000),
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
            r"((HTTPS?|TCP|SSL):\d+)?/\S*", "a path, optionally with protocol and port"
        ),
    },
    "aws:elasticbeanstalk:application:environment": {ANY_NAME: Text(r"(?s).*")},
    # Beanstalk reads the secret or parameter when an instance boots, and sets the variable to its value. A
    # later version arrives with the next UpdateEnvironment or RestartAppServer.
    # https://docs.aws.amazon.com/elasticbeanstalk/latest/dg/AWSHowTo.secrets.env-vars.html
    "aws:elasticbeanstalk:application:environmentsecrets": {
        ANY_NAME: Text(
            r"arn:[\w-]+:(secretsmanager|ssm):\S+",
            "the ARN of a secret or of a parameter, with :KEY for one key",
        ),
    },
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
        "BatchSize": Integer(1, 10000),
        "BatchSizeType": _choice("Percentage", "Fixed"),
        "DeploymentPolicy": _choice(
            "AllAtOnce", "Rolling", "RollingWithAdditionalBatch", "Immutable", "TrafficSplitting"
        ),
        "IgnoreHealthCheck": _FLAG,
        "Timeout": Integer(1, 3600),
    },
    "aws:elasticbeanstalk:container:python": {
        "NumProcesses": Integer(1, 1000),
        "NumThreads": Integer(1, 1000),
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
    "aws:elasticbeanstalk:environment:proxy:staticfiles": {ANY_NAME: _TEXT},
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
        "EvaluationTime": Integer(3, 600),
        "NewVersionPercent": Integer(1, 100),
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
        "Priority": Integer(1, 1000),
        "Process": _TEXT,
    },
    "aws:elbv2:loadbalancer": {
        "AccessLogsS3Bucket": _TEXT,
        "AccessLogsS3Enabled": _FLAG,
        "AccessLogsS3Prefix": _TEXT,
        "IdleTimeout": Integer(1, 3600),
        "IpAddressType": _choice("ipv4", "dualstack"),
        "ManagedSecurityGroup": Text(r"sg-[0-9a-f]+", "the id of a security group"),
        "SecurityGroups": _LIST,
        "SharedLoadBalancer": Text(r"arn:\S+", "the ARN of a load balancer"),
    },
}
