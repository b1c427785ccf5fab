"""python -m testbed.localaws: serve the local AWS until SIGTERM, Ctrl-C or the end of its parent."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from .server import run
from .settings import DatabaseAddress


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m testbed.localaws", description=__doc__)
    parser.add_argument(
        "--port", type=int, default=0, help="port to listen on; 0, the default, takes a free one"
    )
    parser.add_argument("--home", type=Path, required=True, help="directory for everything that a run writes")
    parser.add_argument(
        "--database-socket", type=Path, help="socket of the MariaDB that answers for RDS instances"
    )
    parser.add_argument("--database-host", default="127.0.0.1", help="its host (127.0.0.1)")
    parser.add_argument("--database-port", type=int, default=3306, help="its port (3306)")
    parser.add_argument("--instance-tools", type=Path, help="boot instances, with these tools; needs root")
    given = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    database = None
    if given.database_socket:
        database = DatabaseAddress(given.database_socket, given.database_host, given.database_port)
    run(given.home, given.port, database, given.instance_tools)


if __name__ == "__main__":
    main()
