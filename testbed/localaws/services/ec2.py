"""EC2: ModifyVpcEndpoint, DeleteVpcEndpoints, and CreateLaunchTemplateVersion."""

from __future__ import annotations

import functools
from typing import Any

from moto.core.types import Base64EncodedString
from moto.ec2.models import EC2Backend
from moto.ec2.models.launch_templates import LaunchTemplateVersion


def install() -> None:
    """Correct endpoints' routes and later versions of launch templates."""
    _add_routes_of_endpoints()
    version: Any = LaunchTemplateVersion
    version.user_data = property(_user_data)


def _user_data(version: Any) -> Base64EncodedString | None:
    """Return the user data; moto refuses to launch the plain text that CreateLaunchTemplateVersion stored."""
    found = version.data.get("UserData")
    return Base64EncodedString(found) if isinstance(found, str) else found


def _add_routes_of_endpoints() -> None:
    """Make routes in the tables that ModifyVpcEndpoint adds.

    moto makes none, and then its DeleteVpcEndpoints fails because they are missing.
    """
    backend: Any = EC2Backend
    original = backend.modify_vpc_endpoint

    @functools.wraps(original)
    def modify(self: Any, vpc_id: str, **arguments: Any) -> None:
        endpoint = self.vpc_end_points[vpc_id]
        before = set(endpoint.route_table_ids or ())
        original(self, vpc_id, **arguments)
        after = set(endpoint.route_table_ids or ())
        prefixes = endpoint.destination_prefix_list_id
        for table in after - before:
            self.create_route(table, None, gateway_id=vpc_id, destination_prefix_list_id=prefixes)
        for table in before - after:
            self.delete_route(table, prefixes)

    backend.modify_vpc_endpoint = modify
