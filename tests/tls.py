"""The TLS versions and ciphers of a server, tested with the `openssl` program."""

from __future__ import annotations

import re
import subprocess

from testbed.servers.process import require_tool

ANYTHING = "ALL:@SECLEVEL=0"
CBC = "ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA:ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES256-SHA384"
RSA_KEY_EXCHANGE = "AES128-SHA:AES256-SHA:AES128-SHA256:AES128-GCM-SHA256:AES256-GCM-SHA384"


def negotiated(address: str, *options: str) -> str | None:
    """Return the cipher that `openssl s_client` and the server at *address* (host:port) agree on, or None."""
    command = [require_tool("openssl"), "s_client", "-connect", address, *options]
    done = subprocess.run(command, input="", capture_output=True, text=True, timeout=30, check=False)
    found = re.search(r"^(?:New|Reused), (\S+), Cipher is (\S+)$", done.stdout, re.MULTILINE)
    return found[2] if found and found[2] != "(NONE)" else None


def assert_only_modern_tls(address: str) -> None:
    """Assert TLS 1.2 or later, no CBC, and forward secrecy: recorded traffic stays unreadable."""
    assert negotiated(address, "-tls1_3")
    ordinary = negotiated(address, "-tls1_2")
    assert ordinary is not None
    assert ordinary.startswith("ECDHE-")
    # Control: with the same ciphers `openssl` negotiates TLS 1.2, so it can also negotiate older versions.
    assert negotiated(address, "-tls1_2", "-cipher", ANYTHING) is not None
    for version in ("-tls1_1", "-tls1"):
        assert negotiated(address, version, "-cipher", ANYTHING) is None, version
    for weak in (CBC, RSA_KEY_EXCHANGE):
        assert negotiated(address, "-tls1_2", "-cipher", f"{weak}:@SECLEVEL=0") is None, weak
