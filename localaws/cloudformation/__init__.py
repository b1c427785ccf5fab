"""CloudFormation on top of moto's services: an engine of its own, because moto's has no rollback, no resource
events, no ordering and few of the types that a Beanstalk deployment needs.
"""

from __future__ import annotations

from ..settings import Settings


def install(settings: Settings) -> None:
    """Let this engine answer CloudFormation's requests in place of moto's."""
    from moto.cloudformation import urls  # the engine is heavy: only a server needs it

    from .api import CloudFormationResponse
    from .types import custom

    urls.url_paths.clear()
    urls.url_paths["{0}/$"] = CloudFormationResponse.dispatch
    custom.serve_at(settings.endpoint)
