"""The target group's health check of an instance."""

from __future__ import annotations

import contextlib
import http.client
import ssl
import threading
import time
from dataclasses import dataclass

from .processes import ManagedProcess

HEALTHY_WITHIN_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """A request to an instance's port on loopback, and the statuses that count as healthy."""

    port: int
    https: bool
    path: str
    matcher: str
    """MatcherHTTPCode, such as `200-299`."""

    def wait(self, web: ManagedProcess, aborted: threading.Event) -> str | None:
        """Return None as soon as the check passes, else the last problem, at the latest after a minute."""
        problem, until = "no answer", time.monotonic() + HEALTHY_WITHIN_SECONDS
        while time.monotonic() < until and not aborted.is_set():
            if web.exit_status is not None:
                return f"the web process exited with status {web.exit_status}"
            try:
                status = self.status()
            except OSError as error:
                problem = str(error)
            else:
                if matches(status, self.matcher):
                    return None
                problem = f"{self.path} answered {status} instead of {self.matcher}"
            time.sleep(0.1)
        return problem

    def status(self) -> int:
        """Return the status of one request; like a load balancer, accept any certificate.

        Raises:
            OSError: there was no HTTP response
        """
        connection: http.client.HTTPConnection
        if self.https:
            any_certificate = ssl.create_default_context()
            any_certificate.check_hostname, any_certificate.verify_mode = False, ssl.CERT_NONE
            connection = http.client.HTTPSConnection(
                "127.0.0.1", self.port, timeout=5, context=any_certificate
            )
        else:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        with contextlib.closing(connection):
            try:
                connection.request("GET", self.path, headers={"User-Agent": "ELB-HealthChecker/2.0"})
                return connection.getresponse().status
            except http.client.HTTPException as error:
                raise OSError(repr(error)) from None


def matches(status: int, matcher: str) -> bool:
    """Return whether *status* is in a MatcherHTTPCode such as `200`, `200,302` or `200-299`."""
    bounds = [part.strip().split("-") for part in matcher.split(",")]
    return any(int(bound[0]) <= status <= int(bound[-1]) for bound in bounds)
