"""Elastic Beanstalk's API: managed platform updates, which move a running environment on.

They are applied by a call only, not in their window.
"""

from __future__ import annotations

from datetime import timedelta

from moto.core.responses import ActionResult

from . import platforms
from .read_operations import ReadOperations
from .state import Environment, InvalidParameterValue, now

MANAGED_UPDATE = "platform-update"
"""The id of the one managed action that an environment can have."""
MANAGED_ACTIONS = "aws:elasticbeanstalk:managedactions"


class ManagedUpdates(ReadOperations):
    def describe_environment_managed_actions(self) -> ActionResult:
        update = self._managed_update(self._environment())
        planned = {
            "ActionId": MANAGED_UPDATE,
            "ActionDescription": "Platform update",
            "ActionType": "PlatformUpdate",
            "Status": "Scheduled",
            "WindowStartTime": now() + timedelta(days=7),
        }
        return ActionResult({"ManagedActions": [planned] if update else []})

    def apply_environment_managed_action(self) -> ActionResult:
        environment = self._ready()
        update = self._managed_update(environment)
        if update is None or self._text("ActionId") != MANAGED_UPDATE:
            raise InvalidParameterValue(f"No managed action named '{self._text('ActionId')}' found.")
        self._backend.note_stacks()
        before = environment.stack
        environment.stack = update.stack

        def undo() -> None:
            environment.stack = before

        self.rollouts.update(self._backend, environment, self.request, undo, "platform version")
        return ActionResult(
            {
                "ActionId": MANAGED_UPDATE,
                "ActionDescription": "Platform update",
                "ActionType": "PlatformUpdate",
                "Status": "Running",
            }
        )

    def _managed_update(self, environment: Environment) -> platforms.OfferedVersion | None:
        if environment.options.get((MANAGED_ACTIONS, "ManagedActionsEnabled")) != "true":
            return None
        return platforms.newer(environment.stack, self._releases)
