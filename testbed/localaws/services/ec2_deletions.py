"""EC2: what network interfaces keep from being deleted."""

from __future__ import annotations

import functools
from typing import Any

from moto.ec2.exceptions import DependencyViolationError, EC2ClientError
from moto.ec2.models import EC2Backend


def install() -> None:
    """Refuse to delete what the network interfaces of functions use, and these; moto deletes it.

    Other interfaces don't count: moto leaves those of deleted instances and doesn't move those of endpoints.
    """
    backend: Any = EC2Backend
    delete_interface = backend.delete_network_interface
    delete_subnet, delete_group = backend.delete_subnet, backend._delete_security_group

    def of_functions(self: Any) -> list[Any]:
        return [each for each in list(self.enis.values()) if each.interface_type == "lambda"]

    @functools.wraps(delete_subnet)
    def subnet(self: Any, subnet_id: str) -> Any:
        if any(each.subnet.id == subnet_id for each in of_functions(self)):
            raise DependencyViolationError(
                f"The subnet '{subnet_id}' has dependencies and cannot be deleted."
            )
        return delete_subnet(self, subnet_id)

    @functools.wraps(delete_group)
    def group(self: Any, vpc_id: str | None, group_id: str) -> Any:
        if any(group_id in [one.id for one in each.group_set] for each in of_functions(self)):
            raise DependencyViolationError(f"resource {group_id} has a dependent object")
        return delete_group(self, vpc_id, group_id)

    @functools.wraps(delete_interface)
    def interface(self: Any, eni_id: str) -> None:
        found = self.enis.get(eni_id)
        if found and (found.interface_type, found.status) == ("lambda", "in-use"):
            raise EC2ClientError(
                "InvalidParameterValue", f"Network interface '{eni_id}' is currently in use."
            )
        delete_interface(self, eni_id)

    backend.delete_network_interface = interface
    backend.delete_subnet = subnet
    backend._delete_security_group = group
