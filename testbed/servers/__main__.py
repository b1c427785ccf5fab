"""`python -m testbed.servers`: an empty OpenBao, MariaDB and local AWS, for trying the command line.

Prints a file of variables to `source` and serves until Ctrl-C. Then it removes its data, but for the cache of
installed packages (build/cache). The tutorial (docs/tutorial.md) begins with it.
"""

from __future__ import annotations

import os
import shlex
import signal
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from shutil import rmtree
from types import FrameType

from .authority import Authority
from .localaws import LocalAws
from .mariadb import MariaDB
from .openbao import OpenBao


def main() -> None:
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, _interrupted)
    directory = Path(tempfile.mkdtemp(prefix="beanvault-"))  # short: a socket's path has 107 bytes
    try:
        with ExitStack() as cleanup:
            cleanup.callback(rmtree, directory, ignore_errors=True)
            variables = _start(directory, cleanup)
            file = directory / "environment"
            file.write_text(_script(variables))
            print(f"source {file}", flush=True)
            signal.pause()
    except KeyboardInterrupt:
        sys.exit(130)


def _start(directory: Path, cleanup: ExitStack) -> Mapping[str, str]:
    authority = Authority(directory / "authority")
    openbao = OpenBao.start(directory, authority)
    cleanup.callback(openbao.stop)
    mariadb = MariaDB.start(directory, authority)
    cleanup.callback(mariadb.stop)
    aws = LocalAws.start(directory, mariadb, instances=os.geteuid() == 0)
    cleanup.callback(aws.stop)
    return {
        **aws.environment(),
        "VAULT_ADDR": openbao.address,
        "VAULT_CACERT": str(openbao.ca_file),
        "VAULT_PORT": openbao.address.rpartition(":")[2],
        "DATABASE_PORT": str(mariadb.port),
        "DATABASE_CA_FILE": str(mariadb.ca_file),
    }


def _script(variables: Mapping[str, str]) -> str:
    beside = shlex.quote(str(Path(sys.executable).parent))
    others = r"\(AWS\|VAULT\|BAO\|BEANVAULT\)_[A-Za-z0-9_]*"
    lines = [
        # The user's own settings would lead to other servers.
        f"for name in $(env | sed -n 's/^\\({others}\\)=.*/\\1/p'); do unset \"$name\"; done",
        *(f"export {name}={shlex.quote(value)}" for name, value in variables.items()),
        f"export PATH={beside}:$PATH:/usr/local/sbin:/usr/sbin:/sbin",
    ]
    return "\n".join(lines) + "\n"


def _interrupted(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
