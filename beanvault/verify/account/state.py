"""The whole state of the account that the checks read, by area."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from templates.deployment import Deployment

from ...aws import Aws
from .alerts import AlertsState
from .database import DatabaseState
from .edge import EdgeState
from .environment import EnvironmentState
from .function import FunctionState
from .network import NetworkState
from .roles import RolesState
from .stacks import DeploymentStacks
from .storage import StorageState


@dataclass
class AccountState:
    """One deployment as AWS's APIs describe it; each answer is requested when first needed, and kept."""

    file: Deployment
    """What the deployment file asks for."""
    aws: Aws

    @property
    def deployment(self) -> Deployment:
        """What is deployed so far."""
        return self.stacks.deployment

    @cached_property
    def stacks(self) -> DeploymentStacks:
        return DeploymentStacks(self.file, self.aws)

    @cached_property
    def network(self) -> NetworkState:
        return NetworkState(self.stacks)

    @cached_property
    def edge(self) -> EdgeState:
        return EdgeState(self.stacks)

    @cached_property
    def environment(self) -> EnvironmentState:
        return EnvironmentState(self.stacks)

    @cached_property
    def storage(self) -> StorageState:
        return StorageState(self.stacks)

    @cached_property
    def database(self) -> DatabaseState:
        return DatabaseState(self.stacks)

    @cached_property
    def function(self) -> FunctionState:
        return FunctionState(self.stacks)

    @cached_property
    def alerts(self) -> AlertsState:
        return AlertsState(self.stacks)

    @cached_property
    def roles(self) -> RolesState:
        return RolesState(self.stacks)
