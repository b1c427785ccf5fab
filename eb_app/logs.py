"""Logging as JSON, one object per line, without anything that a visitor sent."""

from __future__ import annotations

import json
import logging
import sys
from contextlib import suppress
from datetime import UTC, datetime
from logging.handlers import WatchedFileHandler
from pathlib import Path
from typing import IO

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """Writes time, level, logger, message and the fields in `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "process": record.process,
        }
        fields.update((name, value) for name, value in vars(record).items() if name not in _STANDARD)
        if record.exc_info and record.exc_info[0]:
            fields["exception"] = record.exc_info[0].__name__
            fields["where"] = self.formatStack(_frames(record))
        return json.dumps(fields, default=str)


def _frames(record: logging.LogRecord) -> str:
    """Return file, line and function of each frame.

    The error's message and the source lines are omitted: either can contain content.
    """
    frames = []
    traceback = record.exc_info[2] if record.exc_info else None
    while traceback:
        code = traceback.tb_frame.f_code
        frames.append(f"{Path(code.co_filename).name}:{traceback.tb_lineno} {code.co_name}")
        traceback = traceback.tb_next
    return " < ".join(reversed(frames))


class _LogFile(WatchedFileHandler):
    """Follows logrotate, also when the old file can't be flushed because the disk is full."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            super().emit(record)
        except OSError:
            stream: IO[str] | None = self.stream
            self.stream = None  # type: ignore[assignment]  # as the base class does; the next record reopens it
            if stream is not None:  # None if the file could not be opened
                with suppress(OSError):  # its buffer can't be written; it closes all the same
                    stream.close()
            self.handleError(record)


def set_up(file: Path | None) -> None:
    """Send all loggers to *file*, or to standard output if it is None or can't be written."""
    logging.raiseExceptions = False  # a full disk costs log lines, not requests
    handler: logging.Handler = logging.StreamHandler(sys.stdout)
    problem = None
    if file:
        try:
            handler = _LogFile(file, encoding="utf-8")
        except OSError as error:
            problem = error
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("botocore").setLevel(logging.WARNING)
    if problem:
        logging.getLogger(__name__).warning(
            "log file is not writable", extra={"file": str(file), "error": problem.strerror}
        )
