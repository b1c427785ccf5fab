"""Log lines are JSON, and a failure to write one never fails a request."""

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
    """CloudWatch Logs Insights discovers the fields."""
    logs.set_up(tmp_path / "app.log")
    logging.getLogger("eb_app.test").info("login\nrefused", extra={"user": "app_blue"})
    (line,) = (tmp_path / "app.log").read_text().splitlines()
    fields = json.loads(line)
    assert (fields["message"], fields["level"], fields["user"]) == ("login\nrefused", "info", "app_blue")


def test_an_exception_is_logged_without_its_message(tmp_path: Path) -> None:
    """A message can contain what a visitor wrote; class and location are enough to find the mistake."""
    logs.set_up(tmp_path / "app.log")
    try:
        int("canary-5d2e")
    except ValueError:
        logging.getLogger("eb_app.test").exception("unexpected")
    text = (tmp_path / "app.log").read_text()
    fields = json.loads(text)
    assert fields["exception"] == "ValueError"
    assert fields["where"].startswith("test_logs.py:")
    assert "canary-5d2e" not in text


def test_a_log_file_that_was_moved_is_created_again(tmp_path: Path) -> None:
    """As logrotate does."""
    logs.set_up(tmp_path / "app.log")
    logging.warning("one")
    (tmp_path / "app.log").rename(tmp_path / "app.log.1")
    logging.warning("two")
    assert "two" in (tmp_path / "app.log").read_text()


def test_a_full_disk_loses_log_lines_and_nothing_else(tmp_path: Path) -> None:
    """/dev/full refuses every byte, as a full disk does; logrotate moves the file meanwhile."""
    file = tmp_path / "app.log"
    file.symlink_to("/dev/full")
    logs.set_up(file)
    logging.warning("lost")
    file.unlink()
    logging.warning("lost as well: the buffer can't be written to the old file")
    logging.warning("there is space again")
    assert "space again" in file.read_text()


def test_a_missing_folder_loses_log_lines_and_nothing_else(tmp_path: Path) -> None:
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
    """The app starts nevertheless, and warns that its log file is not writable."""
    logs.set_up(tmp_path / "missing" / "app.log")
    sys.stdout.flush()
    fields = json.loads(capsys.readouterr().out)
    assert fields["message"] == "log file is not writable"
    assert fields["level"] == "warning"
