"""`python -m replicator`: the same run with the same variables, anywhere.

The report goes to standard output, remarks to standard error. Exit codes: 0 all good, 1 something failed or
was refused, 2 configuration.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import time

from .aws import Clients
from .config import Config
from .errors import ConfigError
from .replicate import ReplicationRequest, RunClock
from .run import run


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m replicator",
        description="Replicate secrets from Vault to AWS Secrets Manager, as the BEANVAULT_ variables say.",
        epilog="exit codes: 0 all good, 1 something failed or was refused, 2 configuration",
    )
    parser.add_argument("--dry-run", action="store_true", help="show what a run would do; no value is read")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    options = parser.parse_args()
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(message)s")
    try:
        config, clients = Config.from_environ(os.environ), Clients()
    except ConfigError as error:
        return _complain(error)
    report = run(
        config, clients, ReplicationRequest(reason="operator", dry_run=options.dry_run), RunClock(time.time)
    )
    for failure in report.errors:
        if isinstance(failure, ConfigError):
            return _complain(failure)
    if options.json:
        print(json.dumps(report.as_json(), indent=2))
    else:
        print("\n".join(report.lines()))
    return 0 if report.healthy else 1


def _complain(error: ConfigError) -> int:
    for problem in error.problems:
        print(problem, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
