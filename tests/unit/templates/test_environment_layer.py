"""Story of templates/environment_layer.py, templates/environment_options.py and
templates/environment_roles.py.

`templates.environment_layer` and `environment_options`, as rendered: hardened, and without a version.
"""

import pytest

from eb_app.settings import AppSettings
from templates.deployment_file import parse
from templates.environment_layer import APP_LOG, LOGS
from templates.layers import LAYERS
from tests.project import ROOT
from tests.unit.templates.renders import CONFIGURATIONS, deployment, layers, resolve, resource

ENVIRONMENT = "aws:elasticbeanstalk:application:environment"


def _options(configuration: str) -> dict[tuple[str, str], str]:
    environment = resource(configuration, "environment", "Environment")
    return {
        (s["Namespace"], s["OptionName"]): resolve(s["Value"], configuration, "environment")
        for s in environment["OptionSettings"]
    }


HARDENED = {
    ("aws:autoscaling:launchconfiguration", "DisableIMDSv1"): "true",
    ("aws:autoscaling:launchconfiguration", "DisableDefaultEC2SecurityGroup"): "true",
    ("aws:autoscaling:updatepolicy:rollingupdate", "RollingUpdateType"): "Immutable",
    ("aws:ec2:vpc", "AssociatePublicIpAddress"): "false",
    ("aws:elasticbeanstalk:cloudwatch:logs", "StreamLogs"): "true",
    ("aws:elasticbeanstalk:cloudwatch:logs", "DeleteOnTerminate"): "false",
    ("aws:elasticbeanstalk:cloudwatch:logs:health", "HealthStreamingEnabled"): "true",
    ("aws:elasticbeanstalk:command", "DeploymentPolicy"): "Immutable",
    ("aws:elasticbeanstalk:environment", "LoadBalancerType"): "application",
    ("aws:elasticbeanstalk:environment", "LoadBalancerIsShared"): "true",
    ("aws:elasticbeanstalk:environment:process:default", "Port"): "443",
    ("aws:elasticbeanstalk:environment:process:default", "Protocol"): "HTTPS",
    ("aws:elasticbeanstalk:environment:process:default", "HealthCheckPath"): "/healthz",
    ("aws:elasticbeanstalk:healthreporting:system", "SystemType"): "enhanced",
    ("aws:elasticbeanstalk:hostmanager", "LogPublicationControl"): "true",
    ("aws:elasticbeanstalk:managedactions", "ManagedActionsEnabled"): "true",
    ("aws:elasticbeanstalk:managedactions:platformupdate", "UpdateLevel"): "minor",
    ("aws:elasticbeanstalk:managedactions:platformupdate", "InstanceRefreshEnabled"): "true",
}


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_every_configuration_is_hardened(configuration: str) -> None:
    """The deployment file cannot turn hardening off."""
    options = _options(configuration)
    assert {key: options.get(key) for key in HARDENED} == HARDENED


def test_the_platform_is_named_by_its_arn_and_the_version_asked_for() -> None:
    """By name it could not change: CloudFormation would create another environment with the same name."""
    environment = resource("dev", "environment", "Environment")
    assert environment["PlatformArn"] == {
        "Fn::If": ["KeepsPlatform", {"Ref": "AWS::NoValue"}, {"Ref": "PlatformArn"}]
    }
    assert "SolutionStackName" not in environment
    assert "Default" not in layers("dev")["environment"]["Parameters"]["PlatformArn"]


@pytest.mark.parametrize(
    ("types", "architecture"),
    [(["t3.small"], "x86_64"), (["t4g.small", "m7g.large"], "arm64"), (["a1.medium"], "arm64")],
)
def test_the_processor_architecture_is_named(types: list[str], architecture: str) -> None:
    tables = {"name": "shop", "region": "eu-central-1", "vault": {"where": "host"}}
    file = parse({**tables, "app": {"instance_types": types}})
    environment = LAYERS["environment"](file).to_dict()["Resources"]["Environment"]["Properties"]
    found = {
        option["OptionName"]: option["Value"]
        for option in environment["OptionSettings"]
        if option["Namespace"] == "aws:ec2:instances"
    }
    assert (found["InstanceTypes"], found["SupportedArchitectures"]) == (",".join(types), architecture)


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_there_is_no_key_pair(configuration: str) -> None:
    """Session Manager instead of SSH (EC2.13)."""
    assert ("aws:autoscaling:launchconfiguration", "EC2KeyName") not in _options(configuration)


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_only_the_two_options_of_a_shared_load_balancer_are_set(configuration: str) -> None:
    """Beanstalk fails on any other, and of a listener it accepts the rules only."""
    names = {name for namespace, name in _options(configuration) if namespace == "aws:elbv2:loadbalancer"}
    assert names == {"SharedLoadBalancer", "SecurityGroups"}
    rules = {name for namespace, name in _options(configuration) if namespace == "aws:elbv2:listener:443"}
    assert rules == {"Rules"}


def test_a_custom_domain_has_its_own_rule() -> None:
    """The default rule matches the environment's CNAME only."""
    options = _options("production")
    assert options["aws:elbv2:listener:443", "Rules"] == "default,domain"
    assert options["aws:elbv2:listenerrule:domain", "HostHeaders"] == "beanvault.example.com"
    assert _options("dev")["aws:elbv2:listener:443", "Rules"] == "default"


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_the_stack_names_a_version_only_while_the_environment_is_created(configuration: str) -> None:
    """An update of the stack leaves the deployed version alone."""
    template = layers(configuration)["environment"]
    label = resource(configuration, "environment", "Environment")["VersionLabel"]
    assert label == {
        "Fn::If": ["CreatingEnvironment", {"Ref": "PlaceholderVersion"}, {"Ref": "AWS::NoValue"}]
    }
    assert template["Conditions"] == {
        "CreatingEnvironment": {"Fn::Equals": [{"Ref": "CreatingEnvironment"}, "true"]},
        "KeepsPlatform": {"Fn::Equals": [{"Ref": "PlatformArn"}, ""]},
    }
    assert "Default" not in template["Parameters"]["CreatingEnvironment"]


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
@pytest.mark.parametrize("log", LOGS)
def test_each_log_has_its_group_before_anything_is_streamed(configuration: str, log: str) -> None:
    """Encrypted with our key and kept as long as every log, which Beanstalk would not do."""
    group = resource(configuration, "environment", log)
    environment_name = deployment(configuration).environment_name
    assert group["LogGroupName"] == f"/aws/elasticbeanstalk/{environment_name}/{LOGS[log]}"
    assert group["RetentionInDays"] == deployment(configuration).logs.retention_days
    assert resolve(group["KmsKeyId"], configuration, "environment").endswith("key/DataKey")
    assert log in layers(configuration)["environment"]["Resources"]["Environment"]["DependsOn"]


def test_the_apps_log_is_the_one_that_the_bundle_streams() -> None:
    assert f"/{APP_LOG}" in (ROOT / ".ebextensions" / "20-log.config").read_text()


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_the_app_understands_its_environment(configuration: str) -> None:
    """The app's own settings parser accepts the option settings."""
    environ = {
        name: value
        for (namespace, name), value in _options(configuration).items()
        if namespace == ENVIRONMENT
    }
    settings = AppSettings.from_environ(environ)
    assert settings.mode == deployment(configuration).database.mode


def test_environment_properties_of_the_file_are_set() -> None:
    """In addition to the project's."""
    assert _options("everything")[ENVIRONMENT, "LOG_LEVEL"] == "INFO"
