"""beanvault listen"""

from __future__ import annotations

import logging
import signal
import ssl
import threading
from pathlib import Path
from types import FrameType

import click

from replicator.contract.events import RequestReason

from ..context import CommandContext
from ..errors import BeanvaultError, ConfigurationError
from ..listen import listener
from ..replication.waiter import put_requests
from .options import FILE, pass_context

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
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8250, show_default=True, help="0 takes a free one."
)
@click.option(
    "--tls-cert", type=FILE, help="http: PEM of a certificate with its chain; needed beyond loopback."
)
@click.option("--tls-key", type=FILE, help="http: PEM of its key.")
@pass_context
def command(
    context: CommandContext, device: str, host: str, port: int, tls_cert: Path | None, tls_key: Path | None
) -> None:
    """Turn writes in Vault into replication within seconds.

    Receives the records of an audit device and puts an event on the deployment's bus for each burst of
    writes below a replicated mount, and one for everything when it begins. Losing it costs only the time
    until the next schedule. Keep another audit device beside this one: Vault stops answering when its only
    device fails.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    logging.getLogger("botocore").setLevel(logging.WARNING)
    deployment = context.deployment
    tls = _tls(device, host, tls_cert, tls_key)
    events = context.aws.client("events")
    burst = listener.Burst(
        lambda sources: put_requests(events, deployment.bus_name, sources, RequestReason.PUSH)
    )
    intake = listener.Intake(deployment.replicator.mount_paths, burst)
    try:
        server = (
            listener.http_server((host, port), intake, tls)
            if device == "http"
            else listener.socket_server((host, port), intake)
        )
    except OSError as error:
        raise BeanvaultError(
            f"nobody can listen on {host}:{port}: {error.strerror}",
            "end what listens there already, or choose another --port or --host",
        ) from None
    # What was written while nobody listened; and credentials that can't ask are found out now.
    put_requests(events, deployment.bus_name, [], RequestReason.PUSH)
    stop = threading.Event()
    ended_by: list[int] = []

    def end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signal handler's signature
        ended_by.append(number)
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    context.say(f"listening on {host}:{server.server_address[1]} for {', '.join(intake.mounts)}")
    listener.serve(server, burst, stop)
    if signal.SIGINT in ended_by:
        raise KeyboardInterrupt


def _tls(device: str, host: str, certificate: Path | None, key: Path | None) -> ssl.SSLContext | None:
    if bool(certificate) != bool(key):
        raise ConfigurationError("--tls-cert and --tls-key belong together")
    if certificate and device == "socket":
        raise ConfigurationError(
            "Vault's socket device speaks no TLS", "use it on loopback, or the http device"
        )
    if certificate is None:
        if host not in ("127.0.0.1", "::1", "localhost"):
            raise ConfigurationError(
                f"records would travel in clear to {host}",
                "listen on loopback, or give --tls-cert and --tls-key",
            )
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    return context
