"""Log lines are JSON, and no line costs a request."""

from __future__ import annotations

import contextlib
import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from eb_app import logs


@pytest.fixture(autouse=True)
def _own_logging() -> Iterator[None]:
    """Leave the root logger as it was."""
    root = logging.getLogger()
    handlers, level, raising = root.handlers[:], root.level, logging.raiseExceptions
    yield
    for handler in root.handlers:
        if handler not in handlers:
            with contextlib.suppress(OSError):
                handler.close()
    root.handlers[:], logging.raiseExceptions = handlers, raising
    root.setLevel(level)


def test_a_line_is_one_json_object_with_its_extras(tmp_path: Path) -> None:
    """CloudWatch Logs Insights finds the fields by itself."""
    logs.set_up(tmp_path / "app.log")
    logging.getLogger("eb_app.test").info("login\nrefused", extra={"user": "app_blue"})
    (line,) = (tmp_path / "app.log").read_text().splitlines()
    told = json.loads(line)
    assert (told["message"], told["level"], told["user"]) == ("login\nrefused", "info", "app_blue")


def test_an_exception_is_told_without_its_message(tmp_path: Path) -> None:
    """A message may hold what a visitor wrote; class and place are enough to find the mistake."""
    logs.set_up(tmp_path / "app.log")
    try:
        int("canary-5d2e")
    except ValueError:
        logging.getLogger("eb_app.test").exception("unexpected")
    text = (tmp_path / "app.log").read_text()
    told = json.loads(text)
    assert told["exception"] == "ValueError"
    assert told["where"].startswith("test_logs.py:")
    assert "canary-5d2e" not in text


def test_a_log_that_was_moved_away_begins_anew(tmp_path: Path) -> None:
    """As logrotate does it."""
    logs.set_up(tmp_path / "app.log")
    logging.warning("one")
    (tmp_path / "app.log").rename(tmp_path / "app.log.1")
    logging.warning("two")
    assert "two" in (tmp_path / "app.log").read_text()


def test_a_full_disk_costs_lines_and_nothing_else(tmp_path: Path) -> None:
    """/dev/full refuses every byte, as a full disk does; also when logrotate moves the file just then."""
    file = tmp_path / "app.log"
    file.symlink_to("/dev/full")
    logs.set_up(file)
    logging.warning("lost")
    file.unlink()
    logging.warning("lost as well: what was kept back can't be written to the old file")
    logging.warning("there is space again")
    assert "space again" in file.read_text()


def test_a_folder_that_goes_away_costs_lines_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    logs.set_up(folder / "app.log")
    logging.warning("one")
    (folder / "app.log").unlink()
    folder.rmdir()
    logging.warning("lost")
    folder.mkdir()
    logging.warning("back")
    assert "back" in (folder / "app.log").read_text()


def test_an_unwritable_file_falls_back_to_standard_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The app starts all the same, and says that its log isn't where it should be."""
    logs.set_up(tmp_path / "missing" / "app.log")
    sys.stdout.flush()
    told = json.loads(capsys.readouterr().out)
    assert told["message"] == "log file not writable"
    assert told["level"] == "warning"
