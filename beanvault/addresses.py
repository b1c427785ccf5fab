"""`HOST:PORT`, in which an IPv6 address has brackets."""

from __future__ import annotations

from urllib.parse import urlsplit

from .errors import ConfigurationError


def parse_host_port(text: str) -> tuple[str, int]:
    """Return host and port of `HOST:PORT`.

    Raises:
        ConfigurationError: the text has another form, for example an IPv6 address without brackets
    """
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or not port or parts.netloc != text or "@" in text:
        raise ConfigurationError(f"{text!r} is not HOST:PORT", "for example 127.0.0.1:13307 or [::1]:13307")
    return host, port


def format_host_port(host: str, port: int) -> str:
    """Return `HOST:PORT`, an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
