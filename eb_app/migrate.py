"""Migrating the schema: `python -m eb_app.migrate`, run by the leader once for each deployment."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from alembic import command
from alembic.config import Config

from . import logs
from .database import DatabasePool
from .errors import DatabaseError
from .factory import credentials_for, database_for
from .settings import AppSettings, SettingsError

STATEMENT_TIMEOUT_SECONDS = 300
"""Changing a large table takes longer than reading a page."""


def migrate(database: DatabasePool) -> None:
    """Apply the missing migrations.

    Raises:
        DatabaseError: the database can't be reached, or refused a migration
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))

    def upgrade(connection: object) -> None:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

    database.run(upgrade)


def main() -> int:
    """Return 0 if the schema is up to date; otherwise 1, with the reason on standard error."""
    logs.set_up(None)
    try:
        settings = AppSettings.from_environ(os.environ)
        migrate(database_for(settings, credentials_for(settings), STATEMENT_TIMEOUT_SECONDS))
    except (SettingsError, DatabaseError) as error:
        print(f"migration failed: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
