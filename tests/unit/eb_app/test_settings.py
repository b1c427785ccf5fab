"""The app's settings are read once, and all mistakes are reported together."""

from __future__ import annotations

from pathlib import Path

import pytest

from eb_app.settings import RDS_AUTHORITIES, AppSettings, SettingsError

LEAST = {"BEANVAULT_DATABASE_HOST": "db.example", "BEANVAULT_DATABASE_SECRET": "dev/app/database"}


def test_host_and_secret_are_enough() -> None:
    """All other settings have defaults for RDS."""
    settings = AppSettings.from_environ(LEAST)
    assert (settings.mode, settings.port, settings.schema) == ("secret", 3306, "app")
    assert settings.ca_file == RDS_AUTHORITIES
    assert settings.source_path == "beanvault/app/database"
    assert settings.bus == ""


def test_iam_needs_a_user_instead_of_a_secret() -> None:
    """Tokens are signed for the configured user."""
    environ = {"BEANVAULT_DATABASE_MODE": "iam", "BEANVAULT_DATABASE_HOST": "db.example"}
    with pytest.raises(SettingsError, match="BEANVAULT_DATABASE_USER is missing"):
        AppSettings.from_environ(environ)
    assert AppSettings.from_environ({**environ, "BEANVAULT_DATABASE_USER": "app_iam"}).user == "app_iam"


def test_the_systems_authorities_are_trusted_for_the_proxy() -> None:
    """RDS Proxy's certificate is from Amazon's public authorities, not from RDS's own."""
    settings = AppSettings.from_environ({**LEAST, "BEANVAULT_DATABASE_MODE": "proxy"})
    assert settings.ca_file is None
    assert settings.secret == "dev/app/database"


def test_all_mistakes_are_reported_at_once(tmp_path: Path) -> None:
    """Four mistakes must not take four deployments to find."""
    environ = {
        "BEANVAULT_DATABASE_MODE": "magic",
        "BEANVAULT_DATABASE_PORT": "mysql",
        "BEANVAULT_DATABASE_WAIT": "nan",
        "BEANVAULT_DATABASE_CA_FILE": str(tmp_path / "missing.pem"),
        "BEANVAULT_DATABASE_POOL_SIZE": "16",  # with the 16 that can wait, all threads
    }
    with pytest.raises(SettingsError) as raised:
        AppSettings.from_environ(environ)
    mistakes = str(raised.value).splitlines()
    assert len(mistakes) == 7
    for name in (*environ, "BEANVAULT_DATABASE_HOST", "BEANVAULT_DATABASE_SECRET"):
        assert any(line.startswith(name) for line in mistakes), name
