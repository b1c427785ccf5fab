"""beanvault listen"""

from __future__ import annotations

import ipaddress
import logging
import signal
import ssl
import threading
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from replicator.contract.events import RequestReason

from ..command_context import CommandContext
from ..errors import BeanvaultError, ConfigurationError
from ..host_port import join_host_port
from ..listen import servers
from ..listen.audit_records import AuditReader
from ..listen.write_batcher import WriteBatcher
from ..replication.replication_request import put_replication_request
from .options import FILE, pass_context

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient

EXAMPLES = """\b
Examples:
  beanvault listen                                     (OpenBao: an http device to http://127.0.0.1:8250/)
  beanvault listen --device socket --port 9090         (vault audit enable socket address=127.0.0.1:9090)"""


@click.command(epilog=EXAMPLES)
@click.option(
    "--device",
    type=click.Choice(["http", "socket"]),
    default="http",
    show_default=True,
    help="The kind of audit device.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8250, show_default=True, help="0 takes a free port."
)
@click.option(
    "--tls-cert",
    type=FILE,
    help="http: PEM file with the certificate and its chain; required beyond loopback.",
)
@click.option("--tls-key", type=FILE, help="http: PEM file with the certificate's key.")
@pass_context
def command(
    context: CommandContext, device: str, host: str, port: int, tls_cert: Path | None, tls_key: Path | None
) -> None:
    """Replicate writes in Vault within seconds.

    Receives the records of an audit device and puts one event on the deployment's bus for each burst of
    writes below a replicated mount, and one for every path at the start. A lost record only delays
    replication until the next scheduled run. Keep a second audit device: Vault stops answering when its only
    device fails.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    logging.getLogger("botocore").setLevel(logging.WARNING)
    deployment = context.deployment
    tls = _tls(device, host, tls_cert, tls_key)
    events: EventBridgeClient = context.aws.client("events")
    batcher = WriteBatcher(
        lambda sources: put_replication_request(events, deployment.bus_name, sources, RequestReason.PUSH)
    )
    reader = AuditReader(deployment.replicator.mount_paths, batcher)
    try:
        server = (
            servers.http_server((host, port), reader, tls)
            if device == "http"
            else servers.socket_server((host, port), reader)
        )
    except OSError as error:
        raise BeanvaultError(
            f"could not listen on {join_host_port(host, port)}: {error.strerror}",
            "stop the process that listens there, or choose another --port or --host",
        ) from None
    # Catches up on writes made while no listener ran, and fails now if the credentials can't put events.
    put_replication_request(events, deployment.bus_name, [], RequestReason.PUSH)
    stop = threading.Event()
    received: list[int] = []

    def end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signal handler's signature
        received.append(number)
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    address = join_host_port(host, server.server_address[1])
    context.say(f"listening on {address} for {', '.join(reader.mounts)}")
    servers.serve(server, batcher, stop)
    if signal.SIGINT in received:
        raise KeyboardInterrupt


def _tls(device: str, host: str, certificate: Path | None, key: Path | None) -> ssl.SSLContext | None:
    if bool(certificate) != bool(key):
        raise ConfigurationError("--tls-cert and --tls-key belong together")
    if certificate and device == "socket":
        raise ConfigurationError(
            "Vault's socket device does not support TLS", "use it on loopback, or use --device http"
        )
    if certificate is None:
        if not _is_loopback(host):
            raise ConfigurationError(
                f"audit records would travel unencrypted to {host}",
                "listen on loopback, or pass --tls-cert and --tls-key",
            )
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    return context


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
