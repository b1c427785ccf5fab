"""python -m testbed.localaws: serve the local AWS until told to end."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from .server import run
from .settings import DatabaseAddress


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m testbed.localaws", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one (the default)")
    parser.add_argument("--home", type=Path, required=True, help="everything a run writes lies below it")
    parser.add_argument("--database-socket", type=Path, help="the real MariaDB's socket, for RDS instances")
    parser.add_argument("--database-host", default="127.0.0.1")
    parser.add_argument("--database-port", type=int, default=3306)
    given = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    database = None
    if given.database_socket:
        database = DatabaseAddress(given.database_socket, given.database_host, given.database_port)
    run(given.home, given.port, database)


if __name__ == "__main__":
    main()
