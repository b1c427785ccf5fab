"""The EB CLI's command lines that are printed: whole, so that none opens a menu or gives up too early."""

from __future__ import annotations

from templates.deployment import Deployment

TIMEOUT_MINUTES = 40
"""How long `eb deploy` follows a deployment. By default it gives up after 10, while the deployment goes on.

An immutable deployment starts one instance, and the rest once that one is healthy: two bootstraps, each
bounded by the command timeout of 10 minutes, and as many health checks, then the old instances are
deregistered.
https://docs.aws.amazon.com/elasticbeanstalk/latest/dg/environmentmgmt-updates-immutable.html
"""


def init(deployment: Deployment) -> str:
    """Return the command that names application, platform and region; without them it opens menus.

    It takes the branch's name, and resolves it to the recommended version
    (`get_platform_for_platform_string` in ebcli/operations/platformops.py).
    """
    return (
        f'eb init {deployment.application_name} --platform "{deployment.platform_branch}" '
        f"--region {deployment.region}"
    )


def deploy(deployment: Deployment) -> str:
    """Return the command that deploys the bundle to the environment, and waits until that has ended."""
    return f"eb deploy {deployment.environment_name} --timeout {TIMEOUT_MINUTES}"
