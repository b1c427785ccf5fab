"""What the page and the API tell about the way a request has gone."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from flask import Request
from sqlalchemy import Connection

from .credentials import Credentials
from .database import session_of
from .instance import InstanceIdentity

_HARMLESS = re.compile(r"[A-Za-z0-9._:-]{1,64}")


def describe(
    request: Request, instance: InstanceIdentity, mode: str, credentials: Credentials, connection: Connection
) -> dict[str, Any]:
    """Return the state as JSON's types; never a password."""
    session = session_of(connection)
    held = credentials.current()
    rotation = credentials.rotation()
    return {
        "instance": {"id": instance.id, "availability_zone": instance.availability_zone},
        "client": {
            "tls_version": _header(request, "X-Amzn-Tls-Version"),
            "tls_cipher": _header(request, "X-Amzn-Tls-Cipher-Suite"),
        },
        "proxy": {
            "tls_version": _header(request, "X-Tls-Version"),
            "tls_cipher": _header(request, "X-Tls-Cipher"),
        },
        "database": {
            "tls_version": session.tls_version,
            "tls_cipher": session.tls_cipher,
            "user": session.user,
            "version_id": session.version,
        },
        "credential": {
            "mode": mode,
            "user": held.user,
            "version_id": held.version,
            "age_seconds": int((datetime.now(UTC) - held.created).total_seconds()) if held.created else None,
            "state": credentials.health().state,
        },
        "rotation": rotation
        and {
            "at": rotation.at.isoformat(timespec="milliseconds"),
            "previous_user": rotation.previous_user,
            "seconds_refused": round(rotation.seconds_refused, 3),
            "requests_waited": rotation.waited,
            "first_login": rotation.first_login and rotation.first_login.isoformat(timespec="milliseconds"),
        },
    }


def _header(request: Request, name: str) -> str:
    """Return what the load balancer or nginx says of TLS; empty for anything that they wouldn't say."""
    value = request.headers.get(name, "")
    return value if _HARMLESS.fullmatch(value) else ""
