"""Which account and region the command line talks to."""

from __future__ import annotations

import pytest

from beanvault.aws import Aws
from beanvault.errors import ConfigurationError


@pytest.fixture(autouse=True)
def _nothing_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/nowhere")


def test_the_region_is_that_of_the_option_then_of_either_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The AWS CLI reads AWS_REGION; boto3 by itself knows AWS_DEFAULT_REGION only."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    assert Aws.connect().region == "eu-west-1"
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    assert Aws.connect().region == "eu-central-1"
    assert Aws.connect(region="eu-north-1").region == "eu-north-1"


def test_without_any_region_the_remedy_names_option_and_variable() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Aws.connect()
    assert "--region" in caught.value.remedy
    assert "AWS_REGION" in caught.value.remedy
