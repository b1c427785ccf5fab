"""EC2: ModifyVpcEndpoint and DeleteVpcEndpoints."""

from __future__ import annotations

import functools
from typing import Any

from moto.ec2.models import EC2Backend


def install() -> None:
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
