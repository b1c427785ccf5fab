"""CloudFormation on top of moto's services, with its own engine.

moto's engine has no rollback, no resource events, no ordering and few of the types that a Beanstalk
deployment needs.
"""

from __future__ import annotations

from typing import Any

from flask import Flask
from moto.core.utils import convert_to_flask_response
from moto.moto_server.werkzeug_app import BackendRequest

from ..settings import LocalAwsSettings
from .api import CloudFormationResponse
from .types import custom, waiting


def install(settings: LocalAwsSettings) -> None:
    """Let the functions of custom resources answer to this server, and instances signal to it."""
    custom.serve_at(settings.endpoint)
    waiting.serve_at(settings.endpoint)


def application() -> Any:
    """Return the WSGI application that takes CloudFormation's requests.

    It is separate from moto's dispatcher: moto's own CloudFormation takes a second to import.
    """
    served = Flask(__name__)
    served.request_class = BackendRequest
    view = convert_to_flask_response(CloudFormationResponse.dispatch)
    served.add_url_rule("/", endpoint="cloudformation", view_func=view, methods=["POST"])
    return served
