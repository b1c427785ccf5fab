"""The page, the API, and the health checks."""

from __future__ import annotations

import logging
import time
import uuid
from dataclasses import dataclass

from flask import (
    Blueprint,
    Flask,
    Response,
    current_app,
    g,
    jsonify,
    redirect,
    render_template,
    request,
    url_for,
)
from flask.typing import ResponseReturnValue
from sqlalchemy import Connection
from werkzeug.exceptions import BadRequest, Forbidden, HTTPException, UnsupportedMediaType

from . import entries, protection, status
from .credentials import Credentials
from .database import DatabasePool
from .errors import DatabaseError
from .instance import InstanceIdentity

logger = logging.getLogger(__name__)

MAX_REQUEST_BYTES = 16 * 1024
"""An entry has at most 280 characters, 12 bytes each when escaped."""

page = Blueprint("page", __name__)
api = Blueprint("api", __name__, url_prefix="/api")
checks = Blueprint("checks", __name__)


@dataclass(frozen=True, slots=True)
class Parts:
    """What the views use."""

    database: DatabasePool
    credentials: Credentials
    mode: str
    instance: InstanceIdentity


def create_app(
    database: DatabasePool, credentials: Credentials, *, mode: str, instance: InstanceIdentity
) -> Flask:
    """Return the WSGI application over *database*."""
    app = Flask(__name__)
    app.config.update(MAX_CONTENT_LENGTH=MAX_REQUEST_BYTES, MAX_FORM_PARTS=10)
    app.extensions["beanvault"] = Parts(database, credentials, mode, instance)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    for blueprint in (page, api, checks):
        app.register_blueprint(blueprint)
    app.before_request(_begin)
    app.after_request(_end)
    app.register_error_handler(entries.InvalidEntry, lambda error: _refuse(400, str(error)))
    app.register_error_handler(entries.EntryConflict, lambda error: _refuse(409, str(error)))
    app.register_error_handler(DatabaseError, _unavailable)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _unexpected)
    return app


@page.get("/")
def show() -> ResponseReturnValue:
    """The page: entries, the form, and the status of the request."""
    return _page()


@page.post("/entries")
def add_from_form() -> ResponseReturnValue:
    """Add an entry and redirect to the page, so that reloading it adds nothing."""
    try:
        key = entries.parse_request_key(request.form.get("request_key"))
        text = entries.parse_text(request.form.get("text"))
    except entries.InvalidEntry as error:
        return _page(
            problem=str(error), text=request.form.get("text", "")[: 2 * entries.MAX_TEXT_LENGTH]
        ), 400
    _parts().database.run(lambda connection: entries.add(connection, key, text))
    return redirect(url_for("page.show"), 303)


@page.post("/entries/<int:entry>/delete")
def delete_from_form(entry: int) -> ResponseReturnValue:
    """Delete an entry; HTML forms can't send DELETE."""
    _parts().database.run(lambda connection: entries.remove(connection, entry))
    return redirect(url_for("page.show"), 303)


@api.get("/entries")
def list_entries() -> ResponseReturnValue:
    """A page of entries, the newest first; `?before=<id>` continues."""
    found = _parts().database.run(lambda connection: entries.latest(connection, _before()))
    return jsonify({"entries": [_json(entry) for entry in found]})


@api.post("/entries")
def add_entry() -> ResponseReturnValue:
    """Add an entry, `{"text": …}`; a repeated `Idempotency-Key` (a UUID) adds no second one."""
    try:
        document = request.get_json()
    except RecursionError:
        raise BadRequest("The JSON is nested too deeply.") from None
    text = entries.parse_text(document.get("text") if isinstance(document, dict) else None)
    key = entries.parse_request_key(request.headers.get("Idempotency-Key", str(uuid.uuid4())))
    entry = _parts().database.run(lambda connection: entries.add(connection, key, text))
    return jsonify(_json(entry)), 201


@api.delete("/entries/<int:entry>")
def delete_entry(entry: int) -> ResponseReturnValue:
    """Delete an entry; 204 also if it is already deleted, so that a request can be repeated."""
    _parts().database.run(lambda connection: entries.remove(connection, entry))
    return "", 204


@api.get("/status")
def show_status() -> ResponseReturnValue:
    """The status of this request and of the last rotation."""
    return jsonify(_parts().database.run(_status))


@checks.get("/healthz")
def healthz() -> ResponseReturnValue:
    """200 while the process answers: the load balancer must not replace instances for a database outage."""
    return Response("ok\n", mimetype="text/plain")


@checks.get("/readyz")
def readyz() -> ResponseReturnValue:
    """Whether the database is available now, and the state of the credential."""
    parts = _parts()
    try:
        parts.database.probe()
        problem = None
    except DatabaseError as error:
        problem = type(error).__name__
    health = parts.credentials.health()
    answer = {
        "ready": problem is None,
        "database": problem or "ok",
        "credential": {
            "state": health.state,
            "reason": health.reason,
            "since": health.since and health.since.isoformat(timespec="seconds"),
        },
    }
    return jsonify(answer), 200 if problem is None else 503


def _parts() -> Parts:
    parts: Parts = current_app.extensions["beanvault"]
    return parts


def _status(connection: Connection) -> dict[str, object]:
    parts = _parts()
    return status.describe(request, parts.instance, parts.mode, parts.credentials, connection)


def _page(problem: str | None = None, text: str = "") -> str:
    before = _before()
    found, current_status = _parts().database.run(
        lambda connection: (entries.latest(connection, before), _status(connection))
    )
    return render_template(
        "page.html",
        entries=found,
        more=found[-1].id if len(found) == entries.PAGE_SIZE else None,
        status=current_status,
        problem=problem,
        text=text,
        longest=entries.MAX_TEXT_LENGTH,
        request_key=uuid.uuid4(),
    )


def _before() -> int | None:
    # MySQL's BIGINT; a larger value, or one that is not a number, is ignored.
    before = request.args.get("before", type=int)
    return before if before is not None and 0 < before < 2**63 else None


def _json(entry: entries.Entry) -> dict[str, object]:
    return {"id": entry.id, "text": entry.text, "created_at": entry.created_at.isoformat()}


def _begin() -> None:
    g.began = time.perf_counter()
    if protection.is_forged(request):
        raise Forbidden("This request came from another site.")
    if request.method == "POST" and request.blueprint == "api" and not request.is_json:
        raise UnsupportedMediaType("Send application/json.")


def _end(response: Response) -> Response:
    if request.blueprint != "checks" or response.status_code != 200:
        rule = request.url_rule
        fields = {
            "method": request.method,
            # The rule, not the path, which the visitor chose.
            "route": rule.rule if rule else "",
            "status": response.status_code,
            "milliseconds": round((time.perf_counter() - g.began) * 1000, 1),
        }
        logger.info("request", extra=fields)
    if request.endpoint == "static" and response.status_code == 200:
        response.headers["Cache-Control"] = "public, max-age=3600"
    return protection.add_headers(response)


def _refuse(code: int, message: str, **headers: str) -> ResponseReturnValue:
    if request.path.startswith("/api/"):
        return jsonify({"error": message}), code, headers
    return render_template("problem.html", code=code, message=message), code, headers


def _unavailable(error: DatabaseError) -> ResponseReturnValue:
    logger.error("database error", extra={"error": type(error).__name__, "detail": str(error)})
    message = "The database is not available at the moment. Nothing was lost; please try again."
    return _refuse(503, message, **{"Retry-After": "1"})


def _http_error(error: HTTPException) -> ResponseReturnValue:
    if error.code is None or error.code < 400:
        return error.get_response()
    headers = {
        name: value for name, value in error.get_headers() if name != "Content-Type"
    }  # Allow, for example
    return _refuse(error.code, error.description or error.name, **headers)


def _unexpected(error: Exception) -> ResponseReturnValue:
    logger.error("unexpected error", exc_info=error)
    return _refuse(500, "Something went wrong. The error was logged.")
