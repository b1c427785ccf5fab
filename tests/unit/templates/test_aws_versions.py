"""`templates.aws_versions`: every name that AWS changes each year is taken from one table."""

import pytest

from templates.aws_versions import BY_PROPERTY, FUNCTION_RUNTIME, AwsVersion
from tests.unit.templates.renders import CONFIGURATIONS, resources


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_every_such_name_in_a_template_is_in_the_table(configuration: str) -> None:
    """Load balancer policy, runtimes, platform, engine and certificate authority are supported ones."""
    for (kind, name), version in BY_PROPERTY.items():
        found = [properties[name] for _, _, properties in resources(configuration, kind)]
        assert found, f"no {kind} in {configuration}"
        assert set(found) <= version.supported, f"{kind} {name}"


def test_a_name_in_use_must_be_supported() -> None:
    """The table can't contradict itself."""
    with pytest.raises(ValueError, match=r"python2\.7 is in use"):
        AwsVersion("python2.7", FUNCTION_RUNTIME.supported, FUNCTION_RUNTIME.source, FUNCTION_RUNTIME.checked)


def test_every_name_has_its_source() -> None:
    """Each entry has AWS's own page as its source."""
    assert all(version.source.startswith("https://docs.aws.amazon.com/") for version in BY_PROPERTY.values())
