"""Security headers of every response, and the refusal of cross-site requests."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Request, Response

HEADERS = {
    # The app's own style sheet and icon, and no script at all.
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    # Not no-referrer: browsers would then send `Origin: null` with the app's own forms.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""Without Strict-Transport-Security: nginx, which terminates TLS, sets it on its own responses, too."""


def add_headers(response: Response) -> Response:
    """Add the security headers, and forbid caching unless the view allows it."""
    for name, value in HEADERS.items():
        response.headers[name] = value
    response.headers.setdefault("Cache-Control", "no-store")
    return response


def is_forged(request: Request) -> bool:
    """Return whether another site made the visitor's browser send this request (CSRF).

    Browsers send the origin of a request in `Sec-Fetch-Site`, and before 2023 in `Origin`; a page can set
    neither. So no token, no cookie and no key shared by all instances is needed. A form with neither header
    is refused. JSON and DELETE with neither come from a program: a page of another site could send them only
    after a CORS preflight, which the app never grants.
    https://cheatsheetseries.owasp.org/cheatsheets/Cross-Site_Request_Forgery_Prevention_Cheat_Sheet.html
    """
    if request.method in ("GET", "HEAD", "OPTIONS"):
        return False
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site != "same-origin"
    origin = request.headers.get("Origin")
    if origin is not None:
        # Host names only: the platform's nginx forwards the host without its port.
        try:
            return urlsplit(origin).hostname != urlsplit(f"//{request.host}").hostname
        except ValueError:
            return True  # no browser sends such an origin
    return not (request.is_json or request.method == "DELETE")
