"""What every answer carries, and which requests are not served."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Request, Response

HEADERS = {
    # Nothing but our own style sheet and icon; no script at all.
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    # Not no-referrer: browsers then send `Origin: null` with our own forms.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""Strict-Transport-Security isn't here: nginx, which ends TLS, sets it on its own answers too."""


def add_headers(response: Response) -> Response:
    """Add the security headers; what a visitor sees isn't kept by caches unless the view says so."""
    for name, value in HEADERS.items():
        response.headers[name] = value
    response.headers.setdefault("Cache-Control", "no-store")
    return response


def is_forged(request: Request) -> bool:
    """Tell whether another site made the visitor's browser send this request (CSRF).

    Browsers say where a request comes from, in `Sec-Fetch-Site`, and those before 2023 in `Origin`; a page
    can set neither. So no token, no cookie and no key shared by all instances is needed. A form that says
    nothing is refused. JSON and DELETE without either come from a program: a foreign page could send them
    only after a CORS preflight, which is never granted here.
    https://cheatsheetseries.owasp.org/cheatsheets/Cross-Site_Request_Forgery_Prevention_Cheat_Sheet.html
    """
    if request.method in ("GET", "HEAD", "OPTIONS"):
        return False
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site != "same-origin"
    origin = request.headers.get("Origin")
    if origin is not None:
        # Names only: the platform's nginx hands on the host without its port.
        try:
            return urlsplit(origin).hostname != urlsplit(f"//{request.host}").hostname
        except ValueError:
            return True  # no browser's own
    return not (request.is_json or request.method == "DELETE")
