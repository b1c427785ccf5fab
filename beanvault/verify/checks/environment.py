"""Controls of the Beanstalk environment: its option settings in force, and its instances."""

from __future__ import annotations

from collections.abc import Iterator

from ..account.state import AccountState
from ..model import Check, Control, Observation, Severity
from ..remedies import revert_drift, set_option

EB = "aws:elasticbeanstalk"
LAUNCH = "aws:autoscaling:launchconfiguration"
LOGS = f"{EB}:cloudwatch:logs"


def _option(namespace: str, name: str, *expected: str) -> Check:
    """Return the check that an option setting has one of the *expected* values."""

    def check(state: AccountState) -> Iterator[Observation]:
        value = state.environment.options.get((namespace, name), "")
        ok = value.lower() in {each.lower() for each in expected}
        evidence = f"{namespace} {name} is {value or 'not set'}"
        yield Observation(state.environment.name, ok, evidence)

    return check


def _instance_count(state: AccountState) -> Iterator[Observation]:
    least = state.environment.settings.number("aws:autoscaling:asg", "MinSize", default=1)
    accepted = state.deployment.app.min_instances < 2
    yield Observation(state.environment.name, least >= 2, f"at least {least} instances", accepted)


def _private_subnets(state: AccountState) -> Iterator[Observation]:
    option = state.environment.options.get(("aws:ec2:vpc", "Subnets"), "")
    configured = set(filter(None, (each.strip() for each in option.split(","))))
    used = {instance.subnet for instance in state.environment.instances if instance.subnet}
    if not configured:
        yield Observation(state.environment.name, ok=False, evidence="no subnets are configured")
    for subnet in sorted(configured | used):
        is_public = any(route.to_internet_gateway for route in state.network.routes(subnet))
        evidence = "has a route to an internet gateway" if is_public else "no route to an internet gateway"
        yield Observation(subnet, not is_public, evidence)


def _no_ssh_key(state: AccountState) -> Iterator[Observation]:
    keys = {state.environment.name: state.environment.options.get((LAUNCH, "EC2KeyName"), "")}
    keys |= {instance.id: instance.key_name for instance in state.environment.instances}
    for resource, key in keys.items():
        yield Observation(resource, not key, f"SSH key {key}" if key else "no SSH key")


def _metadata_version(state: AccountState) -> Iterator[Observation]:
    yield from _option(LAUNCH, "DisableIMDSv1", "true")(state)
    for instance in state.environment.instances:
        ok = instance.http_tokens == "required" or instance.http_endpoint == "disabled"
        yield Observation(instance.id, ok, f"HttpTokens is {instance.http_tokens or 'not set'}")


def _no_public_addresses(state: AccountState) -> Iterator[Observation]:
    yield from _option("aws:ec2:vpc", "AssociatePublicIpAddress", "false")(state)
    for instance in state.environment.instances:
        address = instance.public_address
        yield Observation(
            instance.id, not address, f"public address {address}" if address else "no public address"
        )


def _security_groups(state: AccountState) -> Iterator[Observation]:
    yield from _option(LAUNCH, "DisableDefaultEC2SecurityGroup", "true")(state)
    expected = {state.stacks.physical_id("network", "InstanceSecurityGroup")}
    for instance in state.environment.instances:
        groups = instance.security_groups
        yield Observation(
            instance.id, groups == expected, f"security groups: {', '.join(sorted(groups)) or 'none'}"
        )


def _log_retention(state: AccountState) -> Iterator[Observation]:
    days = state.environment.settings.number(LOGS, "RetentionInDays", default=0)
    required = state.deployment.logs.retention_days
    yield Observation(state.environment.name, days >= required, f"{days} days, {required} required")


def _notification_topic(state: AccountState) -> Iterator[Observation]:
    topic = state.environment.options.get((f"{EB}:sns:topics", "Notification Topic ARN"), "")
    evidence = f"events go to {topic}" if topic else "events go to no topic"
    yield Observation(state.environment.name, topic in state.alerts.topic_arns, evidence)


def _no_secret_properties(state: AccountState) -> Iterator[Observation]:
    words = ("PASSWORD", "TOKEN", "SECRET_ACCESS_KEY", "PRIVATE")
    suspicious = sorted(
        name
        for name in state.environment.settings.property_names
        if any(word in name.upper() for word in words)
    )
    evidence = (
        f"named like secrets: {', '.join(suspicious)}" if suspicious else "no property is named like a secret"
    )
    yield Observation(state.environment.name, not suspicious, evidence)


def _default_encryption(state: AccountState) -> Iterator[Observation]:
    on = state.environment.volumes_encrypted_by_default
    evidence = "new volumes are encrypted" if on else "new volumes are not encrypted by default"
    yield Observation(f"{state.aws.account()} {state.aws.region}", on, evidence)


def _volumes(state: AccountState) -> Iterator[Observation]:
    for volume in state.environment.volumes:
        yield Observation(volume.id, volume.encrypted, "encrypted" if volume.encrypted else "not encrypted")


def _platform(state: AccountState) -> Iterator[Observation]:
    """Check that Beanstalk supports the platform's branch; managed updates move on within a branch only."""
    platform, lifecycle = state.environment.platform, state.environment.platform_branch_state
    evidence = f"{platform.stack}: its branch is {lifecycle.lower() or 'unknown'}"
    yield Observation(state.environment.name, lifecycle.casefold() == "supported", evidence)


def _version_lifecycle(state: AccountState) -> Iterator[Observation]:
    rules = state.environment.version_lifecycle_rules
    evidence = f"old versions are deleted by {', '.join(rules)}" if rules else "every version is kept"
    yield Observation(state.deployment.application_name, bool(rules), evidence)


def _option_control(
    control: str,
    title: str,
    severity: Severity,
    namespace: str,
    name: str,
    *expected: str,
    check: Check | None = None,
) -> Control:
    """Return the control of one option setting, fixed by its first *expected* value."""
    remedy = set_option(namespace, name, expected[0])
    return Control(control, title, severity, remedy, check or _option(namespace, name, *expected))


HIGH, MEDIUM, LOW = Severity.HIGH, Severity.MEDIUM, Severity.LOW

CONTROLS = (
    _option_control(
        "ElasticBeanstalk.1",
        "Enhanced health reporting is on",
        LOW,
        f"{EB}:healthreporting:system",
        "SystemType",
        "enhanced",
    ),
    _option_control(
        "ElasticBeanstalk.2",
        "Managed platform updates are on",
        HIGH,
        f"{EB}:managedactions",
        "ManagedActionsEnabled",
        "true",
    ),
    _option_control(
        "ElasticBeanstalk.3", "Logs are streamed to CloudWatch", HIGH, LOGS, "StreamLogs", "true"
    ),
    _option_control(
        "SEC04-BP01",
        "Logs are kept as long as configured",
        MEDIUM,
        LOGS,
        "RetentionInDays",
        "DAYS (logs.retention_days)",
        check=_log_retention,
    ),
    _option_control(
        "EC2.9",
        "Instances have no public addresses",
        HIGH,
        "aws:ec2:vpc",
        "AssociatePublicIpAddress",
        "false",
        check=_no_public_addresses,
    ),
    _option_control(
        "BV.APP1",
        "Instances are in private subnets",
        HIGH,
        "aws:ec2:vpc",
        "Subnets",
        "'SUBNETS' (outputs AppSubnet0, AppSubnet1, … of NAME-network)",
        check=_private_subnets,
    ),
    Control(
        "BV.APP7",
        "Instances have no SSH key",
        HIGH,
        "aws elasticbeanstalk update-environment --environment-name NAME-app --options-to-remove "
        f"Namespace={LAUNCH},OptionName=EC2KeyName; log in with Session Manager",
        _no_ssh_key,
    ),
    _option_control(
        "EC2.8",
        "Instance metadata version 2 is required",
        HIGH,
        LAUNCH,
        "DisableIMDSv1",
        "true",
        check=_metadata_version,
    ),
    _option_control(
        "BV.APP2",
        "Instances are in the app's security group only",
        HIGH,
        LAUNCH,
        "DisableDefaultEC2SecurityGroup",
        "true",
        check=_security_groups,
    ),
    Control(
        "REL-INSTANCES",
        "At least two instances run",
        MEDIUM,
        f"{set_option('aws:autoscaling:asg', 'MinSize', '2')}; in a trial: set app.min_instances = 2",
        _instance_count,
    ),
    _option_control(
        "REL-DEPLOY",
        "The app stays available during a deployment",
        MEDIUM,
        f"{EB}:command",
        "DeploymentPolicy",
        "Immutable",
        "RollingWithAdditionalBatch",
        "TrafficSplitting",
    ),
    _option_control(
        "ELB.22",
        "The load balancer connects to the instances with TLS",
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
        _default_encryption,
    ),
    Control(
        "EC2.3",
        "The instances' volumes are encrypted",
        MEDIUM,
        "fix EC2.7, then replace the instances: eb deploy NAME-app --timeout 40",
        _volumes,
    ),
    Control(
        "SEC06-BP01",
        "Beanstalk supports the platform's branch",
        HIGH,
        "set [app] platform to a supported branch, then beanvault deploy environment",
        _platform,
    ),
    Control(
        "SEC07-BP04",
        "Old application versions are deleted",
        LOW,
        revert_drift("environment"),
        _version_lifecycle,
    ),
    _option_control(
        "REL-UPDATE",
        "The app stays available during a configuration change",
        MEDIUM,
        "aws:autoscaling:updatepolicy:rollingupdate",
        "RollingUpdateType",
        "Immutable",
        "Health",
    ),
    _option_control(
        "BV.APP4",
        "Health is streamed to CloudWatch",
        LOW,
        f"{LOGS}:health",
        "HealthStreamingEnabled",
        "true",
    ),
    _option_control(
        "BV.APP5",
        "Beanstalk publishes its events to the alerts topic",
        MEDIUM,
        f"{EB}:sns:topics",
        "'Notification Topic ARN'",
        "TOPIC (output AlertTopicArn of NAME-keys)",
        check=_notification_topic,
    ),
    _option_control(
        "BV.APP6",
        "Rotated logs are uploaded to S3",
        LOW,
        f"{EB}:hostmanager",
        "LogPublicationControl",
        "true",
    ),
    Control(
        "BV.APP3",
        "No environment property is named like a secret",
        HIGH,
        "read it from Secrets Manager, change it, and remove the property: "
        "aws elasticbeanstalk update-environment --options-to-remove",
        _no_secret_properties,
    ),
)
