"""A real MariaDB as a private instance that accepts TLS only."""

from __future__ import annotations

import getpass
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pymysql
from pymysql.connections import Connection
from pymysql.cursors import Cursor

from .authority import Authority
from .process import Process, ServerError, free_port, require_tool


@dataclass(frozen=True, slots=True)
class MariaDB:
    host: str
    port: int
    socket: Path
    """Where root logs in without a password; only the user who started the server reaches it."""
    ca_file: Path
    process: Process
    command: tuple[str | Path, ...]

    @classmethod
    def start(cls, directory: Path, authority: Authority) -> MariaDB:
        """Make a data directory below *directory* and start a server on it.

        :raises ServerError: it could not be prepared or did not start
        """
        home = directory / "mariadb"
        # Its own: in a shared directory another instance's clean-up takes its temporary tables.
        (home / "tmp").mkdir(parents=True, mode=0o700)
        home.chmod(0o700)
        pair = authority.issue("mariadb")
        user = getpass.getuser()
        installed = subprocess.run(
            [
                require_tool("mariadb-install-db"),
                "--no-defaults",
                f"--datadir={home / 'data'}",
                f"--tmpdir={home / 'tmp'}",
                f"--user={user}",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                "--skip-name-resolve",
            ],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if installed.returncode:
            raise ServerError(
                f"mariadb-install-db ended with status {installed.returncode}:\n{installed.stderr}"
            )
        port, socket = free_port(), home / "socket"
        command = (
            require_tool("mariadbd"),
            "--no-defaults",
            f"--user={user}",
            f"--datadir={home / 'data'}",
            f"--tmpdir={home / 'tmp'}",
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
            "--innodb-log-file-size=16M",
        )
        process = Process.start("MariaDB", command, home / "server.log")
        server = cls("localhost", port, socket, authority.ca_file, process, command)
        process.wait_until(server._answers)
        return server

    def admin(self) -> Connection[Cursor]:
        """Return a connection as root over the socket."""
        return pymysql.connect(unix_socket=str(self.socket), user="root", autocommit=True, connect_timeout=5)

    def restarted(self) -> MariaDB:
        """Stop this server and start it again on the same data, port and socket."""
        self.process.stop()
        process = Process.start("MariaDB", self.command, self.process.log)
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
