"""The deployment file that `beanvault init` writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from beanvault.commands.init import deployment_tables, write
from templates.deployment_file import read


@pytest.mark.parametrize("production", [False, True])
def test_the_file_has_the_answers(tmp_path: Path, production: bool) -> None:
    tables = deployment_tables(
        name="shop",
        region="eu-central-1",
        domain="app.example.com",
        hosted_zone_id="Z0123456789ABC",
        certificate_arn=None,
        vault_cidrs=("198.51.100.7/32",),
        vault_port=8200,
        emails=("ops@example.com",),
        database_ca_file=Path("il-central-1-bundle.pem"),
        production=production,
    )
    path = tmp_path / "shop.toml"
    write(path, tables)
    deployment = read(path)
    assert (deployment.name, deployment.production) == ("shop", production)
    assert deployment.domain.name == "app.example.com"
    assert deployment.database.multi_az is production
    assert deployment.database.ca_file == "il-central-1-bundle.pem"
    assert deployment.alerts.emails == ("ops@example.com",)
