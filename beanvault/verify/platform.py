"""Controls of the Beanstalk environment: its option settings as they are in force."""

from __future__ import annotations

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
        "BV.APP3", "No secret in an environment property", HIGH, "read it from Secrets Manager", _no_secrets
    ),
)
