"""The address family that a server for audit devices listens on."""

from __future__ import annotations

import socket

import pytest

from beanvault.listen.servers import ip_family


def test_an_ipv6_address_is_listened_on_as_such() -> None:
    assert ip_family("::1", 8250) == socket.AF_INET6
    assert ip_family("localhost", 8250) == ip_family("127.0.0.1", 8250) == socket.AF_INET


@pytest.mark.parametrize(
    ("families", "family"),
    [
        ([socket.AF_INET6], socket.AF_INET6),
        ([socket.AF_INET6, socket.AF_INET], socket.AF_INET),
    ],
)
def test_a_host_name_is_listened_on_by_the_addresses_it_has(
    monkeypatch: pytest.MonkeyPatch, families: list[socket.AddressFamily], family: socket.AddressFamily
) -> None:
    """IPv4 where the name has both: an audit device given as 127.0.0.1 has to reach `localhost`."""
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: [(each, 1, 6, "", ()) for each in families])
    assert ip_family("vault.example", 8250) == family
