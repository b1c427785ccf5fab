"""Elastic Beanstalk, with deployments that really run.

`operations.py` and `read_operations.py` answer the API's calls instead of moto. Each deployment launches an
*instance*: the bundle is unpacked, its requirements installed, its hooks and `.ebextensions` executed, the
Procfile's processes started with the instance profile's credentials, behind the instance's nginx and the load
balancer's.
"""

from __future__ import annotations

from typing import Any

from moto.core.utils import get_service_model
from moto.elasticbeanstalk import models, urls

from ..settings import LocalAwsSettings
from .rollout import Rollouts
from .state import Beanstalk
from .write_operations import Operations


def install(settings: LocalAwsSettings) -> None:
    """Replace moto's Elastic Beanstalk, before its server takes the first request."""
    models.eb_backends.backend = Beanstalk
    models.eb_backends.clear()
    urls.url_paths["{0}/$"] = Operations.dispatch
    # The EB CLI has its own model of the API, with a member that botocore's does not have.
    model: Any = get_service_model("elasticbeanstalk")
    settings_shape = model._service_description["shapes"]["ConfigurationSettingsDescription"]
    settings_shape["members"]["Tier"] = {"shape": "EnvironmentTier"}
    Operations.rollouts = Rollouts(settings)


def close() -> None:
    """Stop all processes of the environments."""
    Operations.rollouts.close()
