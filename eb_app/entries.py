"""The table `entries` and its operations, all of them safe to repeat."""

from __future__ import annotations

import unicodedata
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import CHAR, BigInteger, Column, Connection, MetaData, String, Table, delete, select
from sqlalchemy.dialects.mysql import DATETIME, insert

MAX_TEXT_LENGTH = 280
"""In characters."""
PAGE_SIZE = 50

METADATA = MetaData()
ENTRIES = Table(
    "entries",
    METADATA,
    Column("id", BigInteger, primary_key=True, autoincrement=True),
    # A request that a client sends twice, or a commit whose answer is lost, adds one entry.
    Column("request_key", CHAR(36, collation="ascii_bin"), nullable=False, unique=True),
    Column("text", String(MAX_TEXT_LENGTH), nullable=False),
    Column("created_at", DATETIME(fsp=6), nullable=False),
    mysql_charset="utf8mb4",
    mysql_engine="InnoDB",
)


class InvalidEntry(ValueError):
    """The visitor's input is not a valid entry; the message is for the visitor."""


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
        InvalidEntry: it is not a string, empty, too long, or has control characters
    """
    if not isinstance(raw, str):
        raise InvalidEntry("The text is missing.")
    text = unicodedata.normalize("NFC", raw).strip()
    if all(_is_invisible(character) for character in text):
        raise InvalidEntry("Write something first.")
    if len(text) > MAX_TEXT_LENGTH:
        raise InvalidEntry(f"The text has {len(text)} characters; at most {MAX_TEXT_LENGTH} are possible.")
    if any(_is_forbidden(character) for character in text):
        raise InvalidEntry("The text has control characters, which can't be shown.")
    return text


def _is_forbidden(character: str) -> bool:
    # Control characters, lone surrogates and line separators; and marks that override the direction of text,
    # which can change how the text around an entry reads (https://trojansource.codes).
    if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp"):
        return True
    return "\u202a" <= character <= "\u202e" or "\u2066" <= character <= "\u2069"


def _is_invisible(character: str) -> bool:
    # Spaces, format characters and combining marks; and letters and symbols without a glyph: Hangul fillers,
    # and the blank Braille pattern.
    return (
        unicodedata.category(character) in ("Cf", "Mn", "Zs") or character in "\u115f\u1160\u2800\u3164\uffa0"
    )


def parse_request_key(raw: object) -> str:
    """Return the key that identifies a repeated request.

    Raises:
        InvalidEntry: it is not a UUID
    """
    try:
        return str(uuid.UUID(raw if isinstance(raw, str) else ""))
    except ValueError:
        raise InvalidEntry("The request key must be a UUID.") from None


def add(connection: Connection, request_key: str, text: str) -> Entry:
    """Add an entry, or return the one that this request has already added.

    Raises:
        EntryConflict: the key was used with another text
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
    query = select(ENTRIES).order_by(ENTRIES.c.id.desc()).limit(PAGE_SIZE)
    if before is not None:
        query = query.where(ENTRIES.c.id < before)
    return [Entry(row.id, row.text, row.created_at.replace(tzinfo=UTC)) for row in connection.execute(query)]


def remove(connection: Connection, entry: int) -> None:
    """Delete an entry, if it still exists."""
    connection.execute(delete(ENTRIES).where(ENTRIES.c.id == entry))
