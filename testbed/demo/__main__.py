"""The command behind ./scripts/demo."""

from __future__ import annotations

import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from shutil import rmtree
from types import FrameType

import click

from .display import Display, print_json
from .flow import STEPS, Flow

EXIT_FAILED = 1
EXIT_INTERRUPTED = 130


class Interrupted(BaseException):
    """The demo was interrupted by a signal; like KeyboardInterrupt, `except Exception` does not catch it."""


@click.command()
@click.option("--keep", is_flag=True, help="At the end leave everything running until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on standard output at the end.")
def main(keep: bool, as_json: bool) -> None:
    """Run the whole flow on this machine: a real OpenBao, a real MariaDB, the real EB CLI, a local AWS.

    Everything listens on loopback and writes to one temporary directory, which is removed at the end. After a
    failure it is kept, with the logs.

    Exit status: 0 success, 1 a step failed, 130 interrupted.

    Example: ./scripts/demo --keep
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    directory = Path(tempfile.mkdtemp(prefix="beanvault-"))
    display = Display(len(STEPS))
    start = time.monotonic()
    status = EXIT_INTERRUPTED
    try:
        with ExitStack() as cleanup:
            flow = Flow(directory, cleanup, display.show)
            try:
                status = _run(flow, display)
                if status == 0:
                    total = time.monotonic() - start
                    if as_json:
                        print_json(display.records, total, flow.addresses())
                    else:
                        display.summary(total)
                    if keep:
                        _keep(flow, display)
            finally:
                for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                    signal.signal(number, signal.SIG_IGN)  # a second signal must not interrupt the clean-up
    except Interrupted:
        click.echo("Interrupted. All servers were stopped.", err=True)
        status = EXIT_INTERRUPTED
    finally:
        if status != EXIT_FAILED:
            rmtree(directory, ignore_errors=True)
    sys.exit(status)


def _run(flow: Flow, display: Display) -> int:
    for title, step in STEPS:
        try:
            with display.step(title) as record:
                record.facts.update(step(flow))
        except Exception as error:  # noqa: BLE001 - any failure is shown with the path of the logs
            display.failed(title, error, flow.directory)
            return EXIT_FAILED
    return 0


def _keep(flow: Flow, display: Display) -> None:
    display.addresses(flow.addresses())
    while True:
        signal.pause()


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise Interrupted


if __name__ == "__main__":
    main(prog_name="./scripts/demo")
