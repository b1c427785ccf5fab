"""One JSON object a line: what happened, to which request, and never what a visitor wrote."""

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
    """Writes time, level, logger, message and whatever was given as `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        told: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "process": record.process,
        }
        told.update((name, value) for name, value in vars(record).items() if name not in _STANDARD)
        if record.exc_info and record.exc_info[0]:
            told["exception"] = record.exc_info[0].__name__
            told["where"] = self.formatStack(_frames(record))
        return json.dumps(told, default=str)


def _frames(record: logging.LogRecord) -> str:
    """Return file, line and function of each frame.

    The error's message and the source lines are left out: either may hold content.
    """
    frames = []
    trace = record.exc_info[2] if record.exc_info else None
    while trace:
        code = trace.tb_frame.f_code
        frames.append(f"{Path(code.co_filename).name}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return " < ".join(reversed(frames))


class _LogFile(WatchedFileHandler):
    """Follows logrotate, and survives that the old file can't be flushed because the disk is full."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            super().emit(record)
        except OSError:
            stream: IO[str] | None = self.stream
            self.stream = None  # type: ignore[assignment]  # as the base class does; the next line opens anew
            if stream is not None:  # None where the file couldn't be opened
                with suppress(OSError):  # it holds what it can't write, and closes all the same
                    stream.close()
            self.handleError(record)


def set_up(file: Path | None) -> None:
    """Send all loggers to *file*, or to standard output if there is none or it can't be written."""
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
            "log file not writable", extra={"file": str(file), "error": problem.strerror}
        )
