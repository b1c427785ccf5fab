"""Elastic Beanstalk for moto, and what it deploys really runs.

`install` puts the API's operations in moto's place; each deployment launches an *instance*: the bundle
unpacked, its requirements installed, its hooks and `.ebextensions` executed, the Procfile's processes started
with the instance profile's credentials, a real nginx before them, and a load balancer's nginx before that.
"""

from __future__ import annotations

from typing import Any

from moto.core.utils import get_service_model
from moto.elasticbeanstalk import models, urls

from ..settings import LocalAwsSettings
from .operations import Operations
from .platforms import add_newer_stacks
from .rollout import Rollouts
from .state import Beanstalk


def install(settings: LocalAwsSettings) -> None:
    """Serve Elastic Beanstalk from here, before moto's server takes its first request."""
    models.eb_backends.backend = Beanstalk
    models.eb_backends.clear()
    urls.url_paths["{0}/$"] = Operations.dispatch
    add_newer_stacks()
    # The EB CLI has its own model of the API, and wants what botocore's doesn't let moto write.
    model: Any = get_service_model("elasticbeanstalk")
    settings_shape = model._service_description["shapes"]["ConfigurationSettingsDescription"]
    settings_shape["members"]["Tier"] = {"shape": "EnvironmentTier"}
    Operations.rollouts = Rollouts(settings)


def close() -> None:
    """End all that the environments run."""
    Operations.rollouts.close()
