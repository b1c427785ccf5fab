"""HOST:PORT as text. An IPv6 address is in brackets there, and only there."""

from __future__ import annotations

from urllib.parse import urlsplit

from .errors import ConfigurationError


def join_host_port(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def split_host_port(text: str) -> tuple[str, int]:
    """Return host and port, the host without brackets.

    Raises:
        ConfigurationError: *text* isn't HOST:PORT
    """
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or port is None or host != host.strip() or join_host_port(host, port) != text.lower():
        raise ConfigurationError(f"{text!r} is not HOST:PORT", "for example 127.0.0.1:13307 or [::1]:13307")
    return host, port
