"""`beanvault vault init --login jwt` in an account that issues no tokens yet."""

from __future__ import annotations

from pathlib import Path

import pytest

from beanvault import cli
from beanvault.errors import ExitCode
from testbed.servers.localaws import REGION, LocalAws
from tests.conftest import Unsealed
from tests.federation import disable_federation


def test_a_login_by_jwt_names_the_account_setting_that_it_needs(
    tmp_path: Path,
    local_aws: LocalAws,
    openbao: Unsealed,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """IAM raises an error where the setting is off; it does not answer that it is off."""
    for name, value in local_aws.environment().items():
        monkeypatch.setenv(name, value)
    disable_federation(local_aws.client("iam"))
    config, token = tmp_path / "beanvault.toml", tmp_path / "token"
    config.write_text(
        f'name = "jwt"\nregion = "{REGION}"\n[vault]\nwhere = "outside"\ncidrs = ["127.0.0.1/32"]\n'
    )
    token.write_text(openbao.root_token)
    arguments = ["--config", str(config), "vault", "init", "--login", "jwt", "--vault-token-file", str(token)]
    vault = ["--vault-address", openbao.address, "--vault-ca-file", str(openbao.ca_file)]
    assert cli.run([*arguments, *vault]) == ExitCode.USAGE
    assert "aws iam enable-outbound-web-identity-federation" in capsys.readouterr().err
