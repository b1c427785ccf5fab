"""Brings the schema up to date: `python -m eb_app.migrate`, run by the leader once for each deployment."""

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

ANSWER_TIMEOUT = 300
"""Seconds for one statement: a table that has grown is not changed as fast as a page is read."""


def migrate(database: DatabasePool) -> None:
    """Apply the migrations that the schema lacks.

    Raises:
        DatabaseError: the database can't be reached, or refused one
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))

    def upgrade(connection: object) -> None:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

    database.run(upgrade)


def main() -> int:
    """Return 0 when the schema is up to date, else 1 with the reason on standard error."""
    logs.set_up(None)
    try:
        settings = AppSettings.from_environ(os.environ)
        migrate(database_for(settings, credentials_for(settings), ANSWER_TIMEOUT))
    except (SettingsError, DatabaseError) as error:
        print(f"migration failed: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
