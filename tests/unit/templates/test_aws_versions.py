"""Names that AWS changes every year are all taken from one table."""

import pytest

from templates.aws_versions import BY_PROPERTY, FUNCTION_RUNTIME, Current
from tests.unit.templates.renders import CONFIGURATIONS, resources


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_every_such_name_in_a_template_is_in_the_table(configuration: str) -> None:
    """Load balancer policy, runtimes, platform, engine and certificate authority are acceptable ones."""
    for (kind, name), current in BY_PROPERTY.items():
        found = [properties[name] for _, _, properties in resources(configuration, kind)]
        assert found, f"no {kind} in {configuration}"
        assert set(found) <= current.acceptable, f"{kind} {name}"


def test_a_name_in_use_must_be_acceptable() -> None:
    """The table can't contradict itself."""
    with pytest.raises(ValueError, match=r"python2\.7 is in use"):
        Current("python2.7", FUNCTION_RUNTIME.acceptable, FUNCTION_RUNTIME.source, FUNCTION_RUNTIME.checked)


def test_every_name_says_where_it_was_looked_up() -> None:
    """Each entry has AWS's own page as its source."""
    assert all(current.source.startswith("https://docs.aws.amazon.com/") for current in BY_PROPERTY.values())
