"""The network of one instance: a network namespace with loopback addresses only."""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

METADATA_ADDRESS = "169.254.169.254"
_CLONE_NEWNET = 0x40000000
_CHUNK = 65536
Result = TypeVar("Result")


class InstanceNetwork:
    """A network namespace, entered by one thread: sockets and processes that it creates belong to it."""

    def __init__(self, address: str) -> None:
        self._thread = ThreadPoolExecutor(1, "instance-network")
        self._listeners: list[socket.socket] = []
        self.run(lambda: _enter(address))

    def run(self, work: Callable[[], Result]) -> Result:
        """Return what *work* returns inside the network."""
        return self._thread.submit(work).result()

    def listen(self, address: str, port: int) -> socket.socket:
        """Return a socket that listens inside the network."""
        listener = self.run(lambda: socket.create_server((address, port)))
        self._listeners.append(listener)
        return listener

    def relay(self, port: int) -> None:
        """Make this machine's loopback *port* reachable from inside, at the same address."""
        listener = self.listen("127.0.0.1", port)

        def accept() -> None:
            with contextlib.suppress(OSError):  # closed
                while True:
                    inner, _ = listener.accept()
                    outer = socket.create_connection(("127.0.0.1", port), timeout=10)
                    outer.settimeout(None)
                    for source, target in ((inner, outer), (outer, inner)):
                        threading.Thread(target=_copy, args=(source, target), daemon=True).start()

        threading.Thread(target=accept, daemon=True, name="instance-relay").start()

    def close(self) -> None:
        for listener in self._listeners:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        self._thread.shutdown(wait=False)


def _enter(address: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, f"no network namespace: {os.strerror(number)}; booting instances needs root")
    for command in (
        ("link", "set", "lo", "up"),
        ("address", "add", f"{METADATA_ADDRESS}/32", "dev", "lo"),
        ("address", "add", f"{address}/32", "dev", "lo"),
    ):
        subprocess.run(["ip", *command], check=True, timeout=10, capture_output=True)


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while received := source.recv(_CHUNK):
            target.sendall(received)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
