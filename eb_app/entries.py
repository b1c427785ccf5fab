"""The table `entries` and what may be done with it; every function is safe to repeat."""

from __future__ import annotations

import unicodedata
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import CHAR, BigInteger, Column, Connection, MetaData, String, Table, delete, select
from sqlalchemy.dialects.mysql import DATETIME, insert

LONGEST = 280
"""Characters of one entry."""
PAGE = 50
"""Entries of one page."""

METADATA = MetaData()
ENTRIES = Table(
    "entries",
    METADATA,
    Column("id", BigInteger, primary_key=True, autoincrement=True),
    # A browser or client that sends a request twice, or a commit whose answer got lost, adds one entry.
    Column("request_key", CHAR(36, collation="ascii_bin"), nullable=False, unique=True),
    Column("text", String(LONGEST), nullable=False),
    Column("created_at", DATETIME(fsp=6), nullable=False),
    mysql_charset="utf8mb4",
    mysql_engine="InnoDB",
)


class InvalidEntry(ValueError):
    """What the visitor sent is no entry; the message is for the visitor."""


class EntryConflict(Exception):
    """The request key belongs to another entry."""


@dataclass(frozen=True, slots=True)
class Entry:
    id: int
    text: str
    created_at: datetime


def parse_text(raw: object) -> str:
    """Return the text of an entry from what a visitor sent.

    Raises:
        InvalidEntry: it is no text, empty, too long, or has characters that nobody can see or type
    """
    if not isinstance(raw, str):
        raise InvalidEntry("The text is missing.")
    text = unicodedata.normalize("NFC", raw).strip()
    if all(_is_invisible(character) for character in text):
        raise InvalidEntry("Write something first.")
    if len(text) > LONGEST:
        raise InvalidEntry(f"The text has {len(text)} characters; at most {LONGEST} are possible.")
    if any(_is_forbidden(character) for character in text):
        raise InvalidEntry("The text has control characters, which can't be shown.")
    return text


def _is_forbidden(character: str) -> bool:
    # Control characters, lone surrogates, line separators; and marks that turn the direction of what follows,
    # so that an entry could make its surroundings read differently (https://trojansource.codes).
    if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp"):
        return True
    return "\u202a" <= character <= "\u202e" or "\u2066" <= character <= "\u2069"


def _is_invisible(character: str) -> bool:
    # Spaces, marks for reading direction or joining, and what changes the character before; then letters and
    # symbols that are blank: fillers of Hangul, and Braille without a dot.
    return (
        unicodedata.category(character) in ("Cf", "Mn", "Zs") or character in "\u115f\u1160\u2800\u3164\uffa0"
    )


def parse_request_key(raw: object) -> str:
    """Return the key that makes a repeated request recognisable.

    Raises:
        InvalidEntry: it is no UUID
    """
    try:
        return str(uuid.UUID(raw if isinstance(raw, str) else ""))
    except ValueError:
        raise InvalidEntry("The request key must be a UUID.") from None


def add(connection: Connection, request_key: str, text: str) -> Entry:
    """Add an entry, or return the one that this request has added before.

    Raises:
        Conflict: the key was used with another text
    """
    row = {"request_key": request_key, "text": text, "created_at": datetime.now(UTC).replace(tzinfo=None)}
    statement = insert(ENTRIES).values(row).on_duplicate_key_update(request_key=ENTRIES.c.request_key)
    connection.execute(statement)
    found = connection.execute(select(ENTRIES).where(ENTRIES.c.request_key == request_key)).one()
    if found.text != text:
        raise EntryConflict("This request key was used with another text.")
    return Entry(found.id, found.text, found.created_at.replace(tzinfo=UTC))


def latest(connection: Connection, before: int | None = None) -> list[Entry]:
    """Return a page of entries, the newest first; *before*: only those with a smaller id."""
    query = select(ENTRIES).order_by(ENTRIES.c.id.desc()).limit(PAGE)
    if before is not None:
        query = query.where(ENTRIES.c.id < before)
    return [Entry(row.id, row.text, row.created_at.replace(tzinfo=UTC)) for row in connection.execute(query)]


def remove(connection: Connection, entry: int) -> None:
    """Delete an entry; one that is gone already is fine."""
    connection.execute(delete(ENTRIES).where(ENTRIES.c.id == entry))
