"""An instance of the local AWS: its console, a shell and a tunnel, as Session Manager offers them."""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_CLONE_NEWNET = 0x40000000


@dataclass(frozen=True, slots=True)
class BootedInstance:
    id: str
    home: Path
    """Its directory of the local AWS."""

    @classmethod
    def of(cls, localaws_home: Path, instance_id: str) -> BootedInstance:
        return cls(instance_id, localaws_home / "instances" / instance_id)

    @property
    def console(self) -> str:
        """Return what the user data printed."""
        return (self.home / "console.log").read_text()

    @property
    def process_id(self) -> str:
        return (self.home / "pid").read_text()

    def run(self, *command: str, check: bool = True) -> str:
        """Run a command on it as root; return its output."""
        done = subprocess.run(
            ["nsenter", "--target", self.process_id, "--all", *command],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
        )
        if check and done.returncode:
            raise AssertionError(f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
        return done.stdout + done.stderr

    @contextmanager
    def tunnel(self, port: int) -> Iterator[int]:
        """Yield a port of this machine's loopback interface that leads to *port* of the instance's."""
        with (
            ThreadPoolExecutor(1, initializer=_enter_network, initargs=(self.process_id,)) as inside,
            socket.create_server(("127.0.0.1", 0)) as listener,
        ):
            threading.Thread(target=_accept, args=(listener, inside, port), daemon=True).start()
            try:
                yield listener.getsockname()[1]
            finally:
                with contextlib.suppress(OSError):
                    listener.shutdown(socket.SHUT_RDWR)


def _enter_network(process_id: str) -> None:
    """Let this thread's sockets belong to the process's network."""
    namespace = os.open(f"/proc/{process_id}/ns/net", os.O_RDONLY)
    try:
        if ctypes.CDLL(None, use_errno=True).setns(namespace, _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "the instance's network can't be entered")
    finally:
        os.close(namespace)


def _accept(listener: socket.socket, inside: ThreadPoolExecutor, port: int) -> None:
    with contextlib.suppress(OSError, RuntimeError):  # closed
        while True:
            client, _ = listener.accept()
            try:
                server = inside.submit(socket.create_connection, ("127.0.0.1", port), 10).result()
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            for source, target in ((client, server), (server, client)):
                threading.Thread(target=_copy, args=(source, target), daemon=True).start()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while received := source.recv(65536):
            target.sendall(received)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
