"""CloudFormation: the resources of the deployment's stacks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from templates.deployment import Deployment
from templates.layers import LAYERS, layers_of

from ...aws import Aws
from ...deployment.deployment_plan import without_proxy
from .parsing import all_items, parses

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import (
        DescribeStacksOutputTypeDef,
        ListStackResourcesOutputTypeDef,
    )


class ResourceMissing(Exception):
    """A resource to check doesn't exist; the message names it."""


@dataclass(frozen=True, slots=True)
class DeployedResource:
    """A resource as its stack knows it."""

    type: str
    """CloudFormation's, such as `AWS::EC2::VPC`."""
    physical_id: str


@parses("DescribeStacks")
def _names(page: DescribeStacksOutputTypeDef) -> tuple[str, ...]:
    return tuple(stack["StackName"] for stack in page["Stacks"])


@parses("ListStackResources")
def _resources(page: ListStackResourcesOutputTypeDef) -> tuple[tuple[str, DeployedResource], ...]:
    return tuple(
        (
            each["LogicalResourceId"],
            DeployedResource(each["ResourceType"], each.get("PhysicalResourceId", "")),
        )
        for each in page["StackResourceSummaries"]
    )


@dataclass
class DeploymentStacks:
    """The stacks of one deployment."""

    file: Deployment
    """What the deployment file asks for."""
    aws: Aws

    @cached_property
    def deployment(self) -> Deployment:
        """What is deployed so far: a database proxy comes with the first deployment after the credential."""
        return self.file if ("data", "Proxy") in self.resources else without_proxy(self.file)

    @cached_property
    def templates(self) -> Mapping[str, Mapping[str, Any]]:
        """The resources of each layer as the deployment file asks for them."""
        return {
            layer: template.to_dict()["Resources"] for layer, template in layers_of(self.deployment).items()
        }

    @cached_property
    def resources(self) -> Mapping[tuple[str, str], DeployedResource]:
        """Everything the stacks created, by layer and logical id."""
        client: CloudFormationClient = self.aws.client("cloudformation")
        existing = set(all_items(_names, client.get_paginator("describe_stacks").paginate()))
        found: dict[tuple[str, str], DeployedResource] = {}
        for layer in LAYERS:
            if (stack := self.file.stack_name(layer)) in existing:
                pages = client.get_paginator("list_stack_resources").paginate(StackName=stack)
                found |= {(layer, logical): resource for logical, resource in all_items(_resources, pages)}
        return found

    def ids(self, resource_type: str) -> tuple[str, ...]:
        """Return the physical ids of all resources of a type.

        Raises:
            ResourceMissing: there are none, because the stack that creates them doesn't exist
        """
        found = tuple(each.physical_id for each in self.resources.values() if each.type == resource_type)
        if not found:
            existing = {layer for layer, _ in self.resources}
            for layer, resources in self.templates.items():
                if layer not in existing and any(
                    body["Type"] == resource_type for body in resources.values()
                ):
                    raise ResourceMissing(f"there is no stack {self.file.stack_name(layer)}")
        return found

    def first_id(self, resource_type: str) -> str:
        """Return the physical id of the first resource of a type.

        Raises:
            ResourceMissing: the stacks created none
        """
        ids = self.ids(resource_type)
        if not ids:
            raise ResourceMissing(f"the stacks have no {resource_type}")
        return ids[0]

    def physical_id(self, layer: str, logical_id: str) -> str:
        """Return the physical id of one resource.

        Raises:
            ResourceMissing: the layer's stack has no resource of that logical id
        """
        if (layer, logical_id) not in self.resources:
            raise ResourceMissing(f"the stack {self.file.stack_name(layer)} has no {logical_id}")
        return self.resources[layer, logical_id].physical_id
