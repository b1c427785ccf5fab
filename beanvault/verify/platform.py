"""Controls of the Beanstalk environment: its option settings as they are in force."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from .live import Live
from .model import Control, Seen, Severity

EB = "aws:elasticbeanstalk"


def _option(
    namespace: str, name: str, *wanted: str, chosen: Callable[[Live], bool] = lambda _: False
) -> Callable[[Live], Iterator[Seen]]:
    def look(live: Live) -> Iterator[Seen]:
        value = live.options.get((namespace, name), "")
        ok = value.lower() in {each.lower() for each in wanted}
        yield Seen(
            live.deployment.environment_name, ok, f"{namespace} {name} is {value or 'not set'}", chosen(live)
        )

    return look


def _instances(live: Live) -> Iterator[Seen]:
    least = int(live.options.get(("aws:autoscaling:asg", "MinSize"), "1") or 1)
    chosen = live.deployment.app.min_instances < 2
    yield Seen(live.deployment.environment_name, least >= 2, f"at least {least} instances", chosen)


def _subnets(live: Live) -> Iterator[Seen]:
    for subnet in live.options.get(("aws:ec2:vpc", "Subnets"), "").split(","):
        routes = live.table_of(subnet.strip()).get("Routes", [])
        gateways = [r["GatewayId"] for r in routes if str(r.get("GatewayId", "")).startswith("igw-")]
        yield Seen(subnet.strip(), not gateways, "public" if gateways else "no way in from the internet")


def _key(live: Live) -> Iterator[Seen]:
    key = live.options.get(("aws:autoscaling:launchconfiguration", "EC2KeyName"), "")
    yield Seen(live.deployment.environment_name, not key, f"SSH key {key}" if key else "no SSH key")


def _retention(live: Live) -> Iterator[Seen]:
    days = live.options.get((f"{EB}:cloudwatch:logs", "RetentionInDays"), "0") or "0"
    wanted = live.deployment.logs.retention_days
    yield Seen(live.deployment.environment_name, int(days) >= wanted, f"{days} days, {wanted} asked for")


def _topic(live: Live) -> Iterator[Seen]:
    topic = live.options.get((f"{EB}:sns:topics", "Notification Topic ARN"), "")
    told = f"events go to {topic}" if topic else "events go nowhere"
    yield Seen(live.deployment.environment_name, topic in live.ids("AWS::SNS::Topic"), told)


def _no_secrets(live: Live) -> Iterator[Seen]:
    words = ("PASSWORD", "TOKEN", "SECRET_ACCESS_KEY", "PRIVATE")
    named = [
        name
        for (namespace, name), value in live.options.items()
        if namespace == f"{EB}:application:environment"
        and value
        and any(word in name.upper() for word in words)
    ]
    told = f"look like secrets: {', '.join(named)}" if named else "no property is named like a secret"
    yield Seen(live.deployment.environment_name, not named, told)


def _ebs_default(live: Live) -> Iterator[Seen]:
    on = live.aws.client("ec2").get_ebs_encryption_by_default()["EbsEncryptionByDefault"]
    told = "new volumes are encrypted" if on else "new volumes are not encrypted unless asked for"
    yield Seen(f"{live.aws.account()} {live.aws.region}", on, told)


def _volumes(live: Live) -> Iterator[Seen]:
    found = live.aws.client("elasticbeanstalk").describe_environment_resources(
        EnvironmentName=live.deployment.environment_name
    )["EnvironmentResources"]
    instances = [instance["Id"] for instance in found["Instances"]]
    if instances:
        attached = [{"Name": "attachment.instance-id", "Values": instances}]
        for volume in live.pages("ec2", "describe_volumes", "Volumes", Filters=attached):
            told = "encrypted" if volume["Encrypted"] else "not encrypted"
            yield Seen(volume["VolumeId"], bool(volume["Encrypted"]), told)


def _platform(live: Live) -> Iterator[Seen]:
    """Hold the environment's platform against what Beanstalk still offers to new environments."""
    name = live.environment.get("SolutionStackName", "")
    offered = live.aws.client("elasticbeanstalk").list_available_solution_stacks()["SolutionStacks"]
    branch = re.sub(r" v[\d.]+ ", " ", name)
    ok = branch in {re.sub(r" v[\d.]+ ", " ", each) for each in offered}
    yield Seen(live.deployment.environment_name, ok, name if ok else f"{name}: no longer offered")


def _kept_versions(live: Live) -> Iterator[Seen]:
    name = live.deployment.application_name
    (found,) = live.aws.client("elasticbeanstalk").describe_applications(ApplicationNames=[name])[
        "Applications"
    ]
    rules = found.get("ResourceLifecycleConfig", {}).get("VersionLifecycleConfig", {})
    good = [kind for kind, rule in rules.items() if rule.get("Enabled")]
    yield Seen(name, bool(good), f"old versions go by {', '.join(good)}" if good else "every version is kept")


HIGH, MEDIUM, LOW = Severity.HIGH, Severity.MEDIUM, Severity.LOW
AGAIN = "deploy the environment layer again"
LAUNCH = "aws:autoscaling:launchconfiguration"

CONTROLS = (
    Control(
        "ElasticBeanstalk.1",
        "Enhanced health reporting",
        LOW,
        AGAIN,
        _option(f"{EB}:healthreporting:system", "SystemType", "enhanced"),
    ),
    Control(
        "ElasticBeanstalk.2",
        "Managed platform updates",
        HIGH,
        AGAIN,
        _option(f"{EB}:managedactions", "ManagedActionsEnabled", "true"),
    ),
    Control(
        "ElasticBeanstalk.3",
        "Logs are streamed to CloudWatch",
        HIGH,
        AGAIN,
        _option(f"{EB}:cloudwatch:logs", "StreamLogs", "true"),
    ),
    Control("SEC04-BP01", "Logs are kept as long as asked for", MEDIUM, AGAIN, _retention),
    Control(
        "EC2.9",
        "Instances have no public addresses",
        HIGH,
        AGAIN,
        _option("aws:ec2:vpc", "AssociatePublicIpAddress", "false"),
    ),
    Control("BV.APP1", "Instances are in private subnets", HIGH, AGAIN, _subnets),
    Control("EC2.13", "Nobody logs in by SSH", HIGH, "remove EC2KeyName; use Session Manager", _key),
    Control("EC2.8", "Instance metadata v2 only", HIGH, AGAIN, _option(LAUNCH, "DisableIMDSv1", "true")),
    Control(
        "BV.APP2",
        "Beanstalk's open security group is left out",
        HIGH,
        AGAIN,
        _option(LAUNCH, "DisableDefaultEC2SecurityGroup", "true"),
    ),
    Control("AutoScaling.2", "At least two instances", MEDIUM, "set app.min_instances = 2", _instances),
    Control(
        "REL-DEPLOY",
        "A deployment never takes the app down",
        MEDIUM,
        AGAIN,
        _option(
            f"{EB}:command", "DeploymentPolicy", "Immutable", "RollingWithAdditionalBatch", "TrafficSplitting"
        ),
    ),
    Control(
        "ELB.21",
        "TLS from the load balancer to the instance",
        MEDIUM,
        AGAIN,
        _option(f"{EB}:environment:process:default", "Protocol", "HTTPS"),
    ),
    Control(
        "EC2.7",
        "New volumes are encrypted by default",
        MEDIUM,
        "aws ec2 enable-ebs-encryption-by-default; the next deployment brings new instances",
        _ebs_default,
    ),
    Control("EC2.3", "The instances' volumes are encrypted", MEDIUM, "enable EC2.7, then deploy", _volumes),
    Control("SEC06-BP01", "A platform that Beanstalk supports", HIGH, "deploy a newer platform", _platform),
    Control("SEC07-BP04", "Old application versions go", LOW, AGAIN, _kept_versions),
    Control(
        "REL-UPDATE",
        "A changed configuration never takes the app down",
        MEDIUM,
        AGAIN,
        _option("aws:autoscaling:updatepolicy:rollingupdate", "RollingUpdateType", "Immutable", "Health"),
    ),
    Control(
        "BV.APP4",
        "Health is streamed to CloudWatch",
        LOW,
        AGAIN,
        _option(f"{EB}:cloudwatch:logs:health", "HealthStreamingEnabled", "true"),
    ),
    Control(
        "BV.APP5",
        "Beanstalk tells the alerts' topic",
        MEDIUM,
        AGAIN,
        _topic,
    ),
    Control(
        "BV.APP3", "No secret in an environment property", HIGH, "read it from Secrets Manager", _no_secrets
    ),
)
