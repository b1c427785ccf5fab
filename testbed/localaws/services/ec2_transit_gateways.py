"""EC2: transit gateways of other accounts, and routes to transit gateways."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

from moto.ec2.exceptions import InvalidTransitGatewayID
from moto.ec2.models import EC2Backend, ec2_backends
from moto.ec2.models.transit_gateway_attachments import TransitGatewayVpcAttachment
from moto.ram.models import ram_backends


def install() -> None:
    """Install both corrections."""
    _shared_transit_gateways()
    _routes_to_transit_gateways()


def _shared_transit_gateways() -> None:
    """Show and attach transit gateways that another account shares; moto knows only the account's own.

    An attachment is `available` at once if the gateway accepts shared attachments by itself, else it waits
    for its owner: https://docs.aws.amazon.com/vpc/latest/tgw/tgw-transit-gateways.html#tgw-sharing.
    """
    backend: Any = EC2Backend
    original_describe = backend.describe_transit_gateways
    original_attach = backend.create_transit_gateway_vpc_attachment

    @functools.wraps(original_describe)
    def describe(self: Any, filters: Any, transit_gateway_ids: Any) -> list[Any]:
        found = list(original_describe(self, filters, transit_gateway_ids))
        shared = [] if filters else _shared_with(self)
        found += [each for each in shared if not transit_gateway_ids or each.id in transit_gateway_ids]
        if missing := set(transit_gateway_ids or ()) - {gateway.id for gateway in found}:
            raise InvalidTransitGatewayID(min(missing))
        return found

    @functools.wraps(original_attach)
    def attach(self: Any, transit_gateway_id: str, vpc_id: str, subnet_ids: Any, **more: Any) -> Any:
        for gateway in _shared_with(self):
            if gateway.id == transit_gateway_id:
                attachment: Any = TransitGatewayVpcAttachment(
                    self, transit_gateway=gateway, vpc_id=vpc_id, subnet_ids=subnet_ids, **more
                )
                if gateway.options["AutoAcceptSharedAttachments"] != "enable":
                    attachment.state = "pendingAcceptance"
                self.transit_gateway_attachments[attachment.id] = attachment
                return attachment
        return original_attach(self, transit_gateway_id, vpc_id, subnet_ids, **more)

    backend.describe_transit_gateways = describe
    backend.create_transit_gateway_vpc_attachment = attach


def _shared_with(backend: Any) -> Iterator[Any]:
    """Yield the gateways of other accounts that AWS RAM shares with the account of *backend*."""
    for account, regions in list(ec2_backends.items()):
        if account == backend.account_id or backend.region_name not in regions:
            continue
        shares = ram_backends[account][backend.region_name].resource_shares
        shared = {
            arn for share in shares if backend.account_id in share.principals for arn in share.resource_arns
        }
        gateways = regions[backend.region_name].transit_gateways.values()
        yield from [gateway for gateway in gateways if gateway.arn in shared]


def _routes_to_transit_gateways() -> None:
    """Refuse a route to a transit gateway until the VPC has an available attachment; moto makes any route.

    https://docs.aws.amazon.com/vpc/latest/tgw/tgw-vpc-attachments.html ("before you can add a route");
    the error is the one of https://github.com/hashicorp/terraform-provider-aws/issues/11147.
    """
    backend: Any = EC2Backend
    originals = {name: getattr(backend, name) for name in ("create_route", "replace_route")}

    def checked(name: str) -> Any:
        @functools.wraps(originals[name])
        def route(self: Any, route_table_id: str, *arguments: Any, **more: Any) -> Any:
            if target := more.get("transit_gateway_id"):
                vpc = self.get_route_table(route_table_id).vpc_id
                if not any(
                    (each.transit_gateway_id, each.resource_id, each.state) == (target, vpc, "available")
                    for each in self.transit_gateway_attachments.values()
                ):
                    raise InvalidTransitGatewayID(target)
            return originals[name](self, route_table_id, *arguments, **more)

        return route

    for name in originals:
        setattr(backend, name, checked(name))
