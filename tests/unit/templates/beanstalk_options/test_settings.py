"""Story of templates/beanstalk_options/.

`templates.beanstalk_options`: only options that Beanstalk has, with values it takes.
"""

import pytest
import yaml
from troposphere import Ref

from templates.beanstalk_options.settings import OptionSetting, UnknownOption, value_kind
from templates.beanstalk_options.values import Text
from tests.project import ROOT
from tests.unit.templates.renders import CONFIGURATIONS, resource


def _settings(configuration: str) -> list[tuple[str, str, object]]:
    environment = resource(configuration, "environment", "Environment")
    return [(s["Namespace"], s["OptionName"], s["Value"]) for s in environment["OptionSettings"]]


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_every_rendered_option_setting_is_in_the_table(configuration: str) -> None:
    """Namespace, name and value are read back from the rendered template, not from its code."""
    settings = _settings(configuration)
    assert len(settings) > 40
    for namespace, name, value in settings:
        kind = value_kind(namespace, name)
        if isinstance(value, str):
            assert kind.expected(value) is None, f"{namespace} {name} = {value}"
        else:
            assert isinstance(kind, Text), f"{namespace} {name} takes no reference"


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_no_option_is_set_twice(configuration: str) -> None:
    """Beanstalk would apply one of the two, and which is not defined."""
    names = [(namespace, name) for namespace, name, _ in _settings(configuration)]
    assert len(set(names)) == len(names)


def test_ebextensions_set_only_options_that_exist() -> None:
    """The option settings in the source bundle are checked against the same table."""
    for path in sorted((ROOT / ".ebextensions").glob("*.config")):
        for namespace, options in (yaml.safe_load(path.read_text()) or {}).get("option_settings", {}).items():
            for name, value in options.items():
                text = str(value).lower() if isinstance(value, bool) else str(value)
                assert value_kind(namespace, name).expected(text) is None, f"{path.name}: {namespace} {name}"


@pytest.mark.parametrize(
    ("namespace", "name", "value", "message"),
    [
        ("aws:autoscaling:launchconfiguration", "DisableIMDSV1", "true", "no option DisableIMDSV1"),
        ("aws:autoscaling:launchconfigurations", "DisableIMDSv1", "true", "no namespace"),
        ("aws:autoscaling:launchconfiguration", "DisableIMDSv1", "yes", "takes one of false, true"),
        ("aws:autoscaling:asg", "MinSize", "0", "an integer from 1 to 10000"),
        ("aws:autoscaling:asg", "MinSize", Ref("Smallest"), "a plain value, not a reference"),
        ("aws:ec2:vpc", "Subnets", "subnet-1, subnet-2", "a comma-separated list without blanks"),
        ("aws:elasticbeanstalk:managedactions", "PreferredStartTime", "Tuesday", "a day and a time"),
        ("aws:elasticbeanstalk:cloudwatch:logs", "RetentionInDays", "366", "takes one of"),
        ("aws:elbv2:listenerrule:domain", "HostHeader", "a.example.com", "no option HostHeader"),
    ],
)
def test_an_option_that_beanstalk_would_refuse_is_an_error(
    namespace: str, name: str, value: str, message: str
) -> None:
    """A misspelt namespace, option or value is an error whose message names what is expected."""
    with pytest.raises(UnknownOption, match=message):
        OptionSetting(namespace, name, value)


def test_a_namespace_with_a_custom_name_is_known() -> None:
    """Listeners, rules and processes carry a port or a name at the end of their namespace."""
    OptionSetting("aws:elbv2:listener:443", "Rules", "default")
    OptionSetting("aws:elasticbeanstalk:environment:process:default", "Port", "443")
    OptionSetting("aws:elasticbeanstalk:application:environment", "ANY_NAME", "")


def test_a_variable_can_come_from_a_secret_or_a_parameter() -> None:
    """Beanstalk's own option; a value in its place is refused."""
    space = "aws:elasticbeanstalk:application:environmentsecrets"
    secret = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:shop/app/stripe-AbCdEf"
    for value in (secret, f"{secret}:key", "arn:aws-cn:ssm:cn-north-1:123456789012:parameter/shop/key"):
        OptionSetting(space, "STRIPE_KEY", value)
    with pytest.raises(UnknownOption, match="the ARN of a secret or of a parameter"):
        OptionSetting(space, "STRIPE_KEY", "sk-live")
