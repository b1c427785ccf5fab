"""`python -m replicator`: the same run with the same variables, anywhere.

The report goes to standard output, log messages to standard error. Exit codes: 0 success, 1 something failed
or was refused, 2 configuration.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Sequence

from .aws import Clients
from .config import Config
from .contract.events import ReplicationRequest, RequestReason
from .errors import ConfigError
from .replicate import RunClock
from .run import run


def main(arguments: Sequence[str] | None = None, make_clients: Callable[[], Clients] = Clients) -> int:
    """Run once with *arguments*, those of the process by default, and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m replicator",
        description="Replicate secrets from Vault to AWS Secrets Manager. BEANVAULT_ variables configure it.",
        epilog="exit codes: 0 success, 1 something failed or was refused, 2 configuration",
    )
    parser.add_argument("--dry-run", action="store_true", help="show what a run would do; no value is read")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    options = parser.parse_args(arguments)
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(message)s")
    try:
        config, clients = Config.from_environ(os.environ), make_clients()
    except ConfigError as error:
        return _print_problems(error)
    request = ReplicationRequest(reason=RequestReason.OPERATOR, dry_run=options.dry_run)
    report = run(config, clients, request, RunClock(time.time))
    for failure in report.errors:
        if isinstance(failure, ConfigError):
            return _print_problems(failure)
    if options.json:
        print(json.dumps(report.summary().as_json(), indent=2))
    else:
        print("\n".join(report.summary().lines()))
    return 0 if report.healthy else 1


def _print_problems(error: ConfigError) -> int:
    for problem in error.problems:
        print(problem, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
