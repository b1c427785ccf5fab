"""A real MariaDB, or MySQL, as a private instance that accepts TLS only."""

from __future__ import annotations

import getpass
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pymysql
from pymysql.connections import Connection
from pymysql.cursors import Cursor

from .authority import Authority
from .process import Process, ServerError, free_port, require_tool


@dataclass(frozen=True, slots=True)
class Engine:
    """A server program, and how it differs from the other one."""

    name: str
    program: str
    install: tuple[str, ...]
    """The command that creates a data directory, without options."""
    options: tuple[str, ...]
    without_tls: str
    """The option that disables TLS."""


def engine() -> Engine:
    """Return MariaDB, or MySQL if BEANVAULT_MYSQLD names its server program (docs/local.md)."""
    if named := os.environ.get("BEANVAULT_MYSQLD"):
        mysqld = require_tool(named)
        return Engine(
            "MySQL",
            mysqld,
            (mysqld, "--no-defaults", "--initialize-insecure"),
            (
                "--mysqlx=OFF",
                "--disable-log-bin",
                "--secure-file-priv=NULL",
                "--innodb-redo-log-capacity=32M",
            ),
            "--tls-version=",
        )
    return Engine(
        "MariaDB",
        require_tool("mariadbd"),
        (
            require_tool("mariadb-install-db"),
            "--no-defaults",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            "--skip-name-resolve",
        ),
        ("--innodb-log-file-size=16M",),
        "--skip-ssl",
    )


@dataclass(frozen=True, slots=True)
class MariaDB:
    """A database server for demo and tests; `engine` returns whether it is MariaDB or MySQL."""

    host: str
    port: int
    socket: Path
    """Root logs in here without a password; only the user who started the server can connect."""
    ca_file: Path
    process: Process
    command: tuple[str | Path, ...]

    @classmethod
    def start(cls, directory: Path, authority: Authority) -> MariaDB:
        """Create a data directory below *directory* and start a server on it.

        Raises:
            ServerError: the data directory could not be created, or the server did not start
        """
        home = directory / "mariadb"
        # Its own directory: in a shared one another instance's clean-up removes its temporary tables.
        (home / "tmp").mkdir(parents=True, mode=0o700)
        home.chmod(0o700)
        pair = authority.issue("mariadb")
        kind = engine()
        places = (
            f"--datadir={home / 'data'}",
            f"--tmpdir={home / 'tmp'}",
            f"--user={getpass.getuser()}",
        )
        installed = subprocess.run(
            [*kind.install, *places], capture_output=True, text=True, timeout=120, check=False
        )
        if installed.returncode:
            raise ServerError(
                f"{kind.install[0]} ended with status {installed.returncode}:\n{installed.stderr}"
            )
        port, socket = free_port(), home / "socket"
        command = (
            kind.program,
            "--no-defaults",
            *places,
            f"--socket={socket}",
            f"--pid-file={home / 'pid'}",
            "--bind-address=127.0.0.1",
            f"--port={port}",
            f"--ssl-ca={authority.ca_file}",
            f"--ssl-cert={pair.certificate}",
            f"--ssl-key={pair.key}",
            "--tls-version=TLSv1.2,TLSv1.3",
            "--require-secure-transport=ON",
            "--skip-name-resolve",
            "--max-connections=500",
            "--innodb-buffer-pool-size=64M",
            *kind.options,
        )
        process = Process.start(kind.name, command, home / "server.log")
        server = cls("localhost", port, socket, authority.ca_file, process, command)
        process.wait_until(server._answers)
        return server

    def admin(self) -> Connection[Cursor]:
        """Return a connection as root over the socket."""
        return pymysql.connect(unix_socket=str(self.socket), user="root", autocommit=True, connect_timeout=5)

    def restarted(self) -> MariaDB:
        """Stop this server and start it again on the same data, port and socket."""
        self.process.stop()
        process = Process.start(self.process.name, self.command, self.process.log)
        server = MariaDB(self.host, self.port, self.socket, self.ca_file, process, self.command)
        process.wait_until(server._answers)
        return server

    def stop(self) -> None:
        self.process.stop()

    def _answers(self) -> bool:
        try:
            self.admin().close()
        except pymysql.MySQLError:
            return False
        return True
