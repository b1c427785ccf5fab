"""Story of replicator/__main__.py.

`replicator/__main__.py` before its first call: a problem in AWS's own settings is one line.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from botocore.config import Config

from replicator.__main__ import main
from replicator.aws import CLIENT_CONFIG, Clients
from tests.unit.replicator.test_config import LEAST


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Enough to begin a run with, and nothing of this machine's; no server listens at the endpoint."""
    credentials = {"AWS_ACCESS_KEY_ID": "canary-id", "AWS_SECRET_ACCESS_KEY": "canary-key"}
    files = {"AWS_CONFIG_FILE": str(tmp_path / "config"), "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "c")}
    place = {"AWS_DEFAULT_REGION": "eu-central-1", "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
    for name, value in {**LEAST, **credentials, **files, **place}.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("AWS_PROFILE", "nobody", "The config profile (nobody) could not be found"),
        ("AWS_CONFIG_FILE", "broken", "Unable to parse config file"),
        ("AWS_DEFAULT_REGION", "moon base", "'moon base' doesn't match a supported format"),
        ("AWS_ENDPOINT_URL", "nowhere", "Invalid endpoint: nowhere"),
        ("AWS_SECRET_ACCESS_KEY", "", "missing: AWS_SECRET_ACCESS_KEY"),
    ],
)
def test_an_aws_setting_that_is_wrong_is_one_line_and_exit_code_2(
    name: str,
    value: str,
    problem: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if value == "broken":
        (tmp_path / "broken").write_text("[profile")
        value = str(tmp_path / "broken")
    monkeypatch.setenv(name, value)
    assert main([]) == 2
    written = capsys.readouterr()
    (line,) = written.err.splitlines()
    assert line.startswith("AWS's own settings: ")
    assert problem in line
    assert "canary" not in line
    assert written.out == ""


def test_aws_settings_that_are_right_lead_to_the_first_call(capsys: pytest.CaptureFixture[str]) -> None:
    """Negative control of the others: the same start, and only the endpoint does not answer."""
    once = CLIENT_CONFIG.merge(Config(retries={"total_max_attempts": 1}))
    assert main([], lambda: Clients(client_config=once)) == 1
    assert "TargetUnavailable" in capsys.readouterr().out


def test_the_region_is_that_of_aws_region_which_lambda_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Clients().session.region_name == "eu-central-1"
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    assert Clients().session.region_name == "eu-west-1"


def test_a_missing_region_is_reported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    assert main([]) == 2
    assert capsys.readouterr().err == "AWS_REGION is not set\n"
