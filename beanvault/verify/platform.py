"""Controls of the Beanstalk environment: its option settings as they are in force."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from .live import AccountState
from .model import Control, Observation, Severity
from .remedy import option, put_back

EB = "aws:elasticbeanstalk"


def _option(
    namespace: str, name: str, *wanted: str, chosen: Callable[[AccountState], bool] = lambda _: False
) -> Callable[[AccountState], Iterator[Observation]]:
    def look(live: AccountState) -> Iterator[Observation]:
        value = live.options.get((namespace, name), "")
        ok = value.lower() in {each.lower() for each in wanted}
        yield Observation(
            live.deployment.environment_name, ok, f"{namespace} {name} is {value or 'not set'}", chosen(live)
        )

    return look


def _instances(live: AccountState) -> Iterator[Observation]:
    least = int(live.options.get(("aws:autoscaling:asg", "MinSize"), "1") or 1)
    chosen = live.deployment.app.min_instances < 2
    yield Observation(live.deployment.environment_name, least >= 2, f"at least {least} instances", chosen)


def _subnets(live: AccountState) -> Iterator[Observation]:
    named = [each.strip() for each in live.options.get(("aws:ec2:vpc", "Subnets"), "").split(",")]
    subnets = {*filter(None, named), *(each["SubnetId"] for each in live.instances if "SubnetId" in each)}
    if not any(named):
        yield Observation(live.deployment.environment_name, ok=False, evidence="no subnets are named")
    for subnet in sorted(subnets):
        routes = live.table_of(subnet).get("Routes", [])
        gateways = [r["GatewayId"] for r in routes if str(r.get("GatewayId", "")).startswith("igw-")]
        yield Observation(subnet, not gateways, "public" if gateways else "no way in from the internet")


def _key(live: AccountState) -> Iterator[Observation]:
    key = live.options.get((LAUNCH, "EC2KeyName"), "")
    yield Observation(live.deployment.environment_name, not key, f"SSH key {key}" if key else "no SSH key")
    for instance in live.instances:
        key = instance.get("KeyName", "")
        yield Observation(instance["InstanceId"], not key, f"SSH key {key}" if key else "no SSH key")


def _metadata(live: AccountState) -> Iterator[Observation]:
    yield from _option(LAUNCH, "DisableIMDSv1", "true")(live)
    for instance in live.instances:
        told = instance.get("MetadataOptions", {})
        ok = told.get("HttpTokens") == "required" or told.get("HttpEndpoint") == "disabled"
        yield Observation(instance["InstanceId"], ok, f"HttpTokens is {told.get('HttpTokens', 'not set')}")


def _public_addresses(live: AccountState) -> Iterator[Observation]:
    yield from _option("aws:ec2:vpc", "AssociatePublicIpAddress", "false")(live)
    for instance in live.instances:
        address = instance.get("PublicIpAddress", "")
        told = f"public address {address}" if address else "no public address"
        yield Observation(instance["InstanceId"], not address, told)


def _groups(live: AccountState) -> Iterator[Observation]:
    yield from _option(LAUNCH, "DisableDefaultEC2SecurityGroup", "true")(live)
    ours = live.named("network", "InstanceSecurityGroup")
    for instance in live.instances:
        names = sorted(group["GroupId"] for group in instance["SecurityGroups"])
        yield Observation(instance["InstanceId"], names == [ours], f"in {', '.join(names) or 'no group'}")


def _retention(live: AccountState) -> Iterator[Observation]:
    days = live.options.get((f"{EB}:cloudwatch:logs", "RetentionInDays"), "0") or "0"
    wanted = live.deployment.logs.retention_days
    yield Observation(
        live.deployment.environment_name, int(days) >= wanted, f"{days} days, {wanted} asked for"
    )


def _topic(live: AccountState) -> Iterator[Observation]:
    topic = live.options.get((f"{EB}:sns:topics", "Notification Topic ARN"), "")
    told = f"events go to {topic}" if topic else "events go nowhere"
    yield Observation(live.deployment.environment_name, topic in live.ids("AWS::SNS::Topic"), told)


def _no_secrets(live: AccountState) -> Iterator[Observation]:
    words = ("PASSWORD", "TOKEN", "SECRET_ACCESS_KEY", "PRIVATE")
    named = [
        name
        for (namespace, name), value in live.options.items()
        if namespace == f"{EB}:application:environment"
        and value
        and any(word in name.upper() for word in words)
    ]
    told = f"look like secrets: {', '.join(named)}" if named else "no property is named like a secret"
    yield Observation(live.deployment.environment_name, not named, told)


def _ebs_default(live: AccountState) -> Iterator[Observation]:
    on = live.aws.client("ec2").get_ebs_encryption_by_default()["EbsEncryptionByDefault"]
    told = "new volumes are encrypted" if on else "new volumes are not encrypted unless asked for"
    yield Observation(f"{live.aws.account()} {live.aws.region}", on, told)


def _volumes(live: AccountState) -> Iterator[Observation]:
    instances = [instance["InstanceId"] for instance in live.instances]
    if instances:
        attached = [{"Name": "attachment.instance-id", "Values": instances}]
        for volume in live.pages("ec2", "describe_volumes", "Volumes", Filters=attached):
            told = "encrypted" if volume["Encrypted"] else "not encrypted"
            yield Observation(volume["VolumeId"], bool(volume["Encrypted"]), told)


def _platform(live: AccountState) -> Iterator[Observation]:
    """Hold the environment's platform against what Beanstalk still offers to new environments."""
    name = live.environment.get("SolutionStackName", "")
    offered = live.aws.client("elasticbeanstalk").list_available_solution_stacks()["SolutionStacks"]
    branch = re.sub(r" v[\d.]+ ", " ", name)
    ok = branch in {re.sub(r" v[\d.]+ ", " ", each) for each in offered}
    yield Observation(live.deployment.environment_name, ok, name if ok else f"{name}: no longer offered")


def _kept_versions(live: AccountState) -> Iterator[Observation]:
    name = live.deployment.application_name
    (found,) = live.aws.client("elasticbeanstalk").describe_applications(ApplicationNames=[name])[
        "Applications"
    ]
    rules = found.get("ResourceLifecycleConfig", {}).get("VersionLifecycleConfig", {})
    good = [
        kind
        for kind, rule in (
            ("MaxCountRule", rules.get("MaxCountRule")),
            ("MaxAgeRule", rules.get("MaxAgeRule")),
        )
        if rule and rule["Enabled"]
    ]
    yield Observation(
        name, bool(good), f"old versions go by {', '.join(good)}" if good else "every version is kept"
    )


def _set(
    control: str,
    title: str,
    severity: Severity,
    namespace: str,
    name: str,
    *wanted: str,
    look: Callable[[AccountState], Iterator[Observation]] | None = None,
) -> Control:
    """Return the control of one option setting, mended by its first *wanted* value."""
    return Control(
        control,
        title,
        severity,
        option(namespace, name, wanted[0]),
        look or _option(namespace, name, *wanted),
    )


HIGH, MEDIUM, LOW = Severity.HIGH, Severity.MEDIUM, Severity.LOW
LAUNCH = "aws:autoscaling:launchconfiguration"
LOGS = f"{EB}:cloudwatch:logs"

CONTROLS = (
    _set(
        "ElasticBeanstalk.1",
        "Enhanced health reporting",
        LOW,
        f"{EB}:healthreporting:system",
        "SystemType",
        "enhanced",
    ),
    _set(
        "ElasticBeanstalk.2",
        "Managed platform updates",
        HIGH,
        f"{EB}:managedactions",
        "ManagedActionsEnabled",
        "true",
    ),
    _set("ElasticBeanstalk.3", "Logs are streamed to CloudWatch", HIGH, LOGS, "StreamLogs", "true"),
    _set(
        "SEC04-BP01",
        "Logs are kept as long as asked for",
        MEDIUM,
        LOGS,
        "RetentionInDays",
        "DAYS (logs.retention_days)",
        look=_retention,
    ),
    _set(
        "EC2.9",
        "Instances have no public addresses",
        HIGH,
        "aws:ec2:vpc",
        "AssociatePublicIpAddress",
        "false",
        look=_public_addresses,
    ),
    _set(
        "BV.APP1",
        "Instances are in private subnets",
        HIGH,
        "aws:ec2:vpc",
        "Subnets",
        "'SUBNETS' (outputs AppSubnet0, AppSubnet1, … of NAME-network)",
        look=_subnets,
    ),
    Control(
        "EC2.13",
        "Nobody logs in by SSH",
        HIGH,
        "aws elasticbeanstalk update-environment --environment-name NAME-app --options-to-remove "
        f"Namespace={LAUNCH},OptionName=EC2KeyName; log in by Session Manager",
        _key,
    ),
    _set("EC2.8", "Instance metadata v2 only", HIGH, LAUNCH, "DisableIMDSv1", "true", look=_metadata),
    _set(
        "BV.APP2",
        "Instances are in the app's security group only",
        HIGH,
        LAUNCH,
        "DisableDefaultEC2SecurityGroup",
        "true",
        look=_groups,
    ),
    Control(
        "AutoScaling.2",
        "At least two instances",
        MEDIUM,
        f"{option('aws:autoscaling:asg', 'MinSize', '2')}; a trial: set app.min_instances = 2",
        _instances,
    ),
    _set(
        "REL-DEPLOY",
        "A deployment never takes the app down",
        MEDIUM,
        f"{EB}:command",
        "DeploymentPolicy",
        "Immutable",
        "RollingWithAdditionalBatch",
        "TrafficSplitting",
    ),
    _set(
        "ELB.21",
        "TLS from the load balancer to the instance",
        MEDIUM,
        f"{EB}:environment:process:default",
        "Protocol",
        "HTTPS",
    ),
    Control(
        "EC2.7",
        "New volumes are encrypted by default",
        MEDIUM,
        "aws ec2 enable-ebs-encryption-by-default",
        _ebs_default,
    ),
    Control(
        "EC2.3",
        "The instances' volumes are encrypted",
        MEDIUM,
        "mend EC2.7, then bring new instances: eb deploy",
        _volumes,
    ),
    Control(
        "SEC06-BP01",
        "A platform that Beanstalk supports",
        HIGH,
        "set [app] platform to a supported one, then beanvault deploy environment",
        _platform,
    ),
    Control("SEC07-BP04", "Old application versions go", LOW, put_back("environment"), _kept_versions),
    _set(
        "REL-UPDATE",
        "A changed configuration never takes the app down",
        MEDIUM,
        "aws:autoscaling:updatepolicy:rollingupdate",
        "RollingUpdateType",
        "Immutable",
        "Health",
    ),
    _set(
        "BV.APP4",
        "Health is streamed to CloudWatch",
        LOW,
        f"{LOGS}:health",
        "HealthStreamingEnabled",
        "true",
    ),
    _set(
        "BV.APP5",
        "Beanstalk tells the alerts' topic",
        MEDIUM,
        f"{EB}:sns:topics",
        "'Notification Topic ARN'",
        "TOPIC (output TopicArn of NAME-keys)",
        look=_topic,
    ),
    _set("BV.APP6", "Rotated logs go to S3", LOW, f"{EB}:hostmanager", "LogPublicationControl", "true"),
    Control(
        "BV.APP3",
        "No secret in an environment property",
        HIGH,
        "read it from Secrets Manager, change it, and take the property away: "
        "aws elasticbeanstalk update-environment --options-to-remove",
        _no_secrets,
    ),
)
