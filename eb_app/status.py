"""The status of a request for the page and the API: instance, TLS of each hop, credential, last rotation."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from flask import Request
from sqlalchemy import Connection

from .credentials import Credentials
from .database import session_of
from .instance import InstanceIdentity

_TLS_NAME = re.compile(r"[A-Za-z0-9._:-]{1,64}")


def describe(
    request: Request, instance: InstanceIdentity, mode: str, credentials: Credentials, connection: Connection
) -> dict[str, object]:
    """Return the status as JSON types, without any password."""
    session = session_of(connection)
    current = credentials.current()
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
            "user": current.user,
            "version_id": current.version,
            "age_seconds": int((datetime.now(UTC) - current.created).total_seconds())
            if current.created
            else None,
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
    """Return a TLS header of the load balancer or nginx; empty if it has characters that they never send."""
    value = request.headers.get(name, "")
    return value if _TLS_NAME.fullmatch(value) else ""
