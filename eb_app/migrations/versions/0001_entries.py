"""The table `entries`."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mysql import DATETIME

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "entries",
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=True),
        sa.Column("request_key", sa.CHAR(36, collation="ascii_bin"), nullable=False, unique=True),
        sa.Column("text", sa.String(280), nullable=False),
        sa.Column("created_at", DATETIME(fsp=6), nullable=False),
        mysql_charset="utf8mb4",
        mysql_engine="InnoDB",
        if_not_exists=True,  # DDL can't be rolled back, so a migration that was cut short is run again
    )


def downgrade() -> None:
    op.drop_table("entries")
