"""Connections from the VPC to Vault other than the internet: peering, transit gateway or VPN, with routes."""

from typing import assert_never

from troposphere import AWSObject, Template, ec2

from templates.deployment import Deployment
from templates.deployment_sections import OutsideVault, PeeredVault, TransitVault, VaultHost, VpnVault
from templates.deployment_values import Range
from templates.resource_tags import tags
from templates.security_groups import LAYER, range_suffix


def add_vault_connectivity(
    template: Template, deployment: Deployment, vpc: ec2.VPC, tables: list[ec2.RouteTable]
) -> None:
    """Add what the application subnets need to reach Vault; only Vault's ranges get a route."""
    match deployment.vault:
        case OutsideVault() | VaultHost():
            return  # through NAT, or inside the VPC
        case PeeredVault() as vault:
            _add_peering(template, deployment, vpc, tables, vault)
        case TransitVault() as vault:
            _add_transit(template, deployment, vpc, tables, vault)
        case VpnVault() as vault:
            _add_vpn(template, deployment, vpc, tables, vault)
        case _:
            assert_never(deployment.vault)


def _add_peering(
    template: Template,
    deployment: Deployment,
    vpc: ec2.VPC,
    tables: list[ec2.RouteTable],
    vault: PeeredVault,
) -> None:
    peer = {"PeerOwnerId": vault.account, "PeerRegion": vault.region, "PeerRoleArn": vault.role_arn}
    peering = template.add_resource(
        ec2.VPCPeeringConnection(
            "VaultPeeringConnection",
            VpcId=vpc.ref(),
            PeerVpcId=vault.vpc_id,
            Tags=tags(deployment, LAYER, "vault"),
            **{name: value for name, value in peer.items() if value},
        )
    )
    _add_routes(template, tables, vault.cidrs, VpcPeeringConnectionId=peering.ref())


def _add_transit(
    template: Template,
    deployment: Deployment,
    vpc: ec2.VPC,
    tables: list[ec2.RouteTable],
    vault: TransitVault,
) -> None:
    subnets = [f"App{index}Subnet" for index in range(deployment.network.availability_zones)]
    attachment = template.add_resource(
        ec2.TransitGatewayAttachment(
            "VaultTransitGatewayAttachment",
            TransitGatewayId=vault.transit_gateway_id,
            VpcId=vpc.ref(),
            SubnetIds=[template.resources[subnet].ref() for subnet in subnets],
            Tags=tags(deployment, LAYER, "vault"),
        )
    )
    # A route to a transit gateway is refused until the VPC is attached to it.
    _add_routes(
        template, tables, vault.cidrs, depends_on=attachment, TransitGatewayId=vault.transit_gateway_id
    )


def _add_vpn(
    template: Template, deployment: Deployment, vpc: ec2.VPC, tables: list[ec2.RouteTable], vault: VpnVault
) -> None:
    gateway = template.add_resource(
        ec2.VPNGateway("VaultVpnGateway", Type="ipsec.1", Tags=tags(deployment, LAYER, "vault"))
    )
    attachment = template.add_resource(
        ec2.VPCGatewayAttachment("VaultVpnGatewayAttachment", VpcId=vpc.ref(), VpnGatewayId=gateway.ref())
    )
    customer_gateway = template.add_resource(
        ec2.CustomerGateway(
            "VaultCustomerGateway",
            Type="ipsec.1",
            IpAddress=vault.gateway_address,
            Tags=tags(deployment, LAYER, "vault"),
            **{_asn_property(vault.gateway_asn): vault.gateway_asn},
        )
    )
    connection = template.add_resource(
        ec2.VPNConnection(
            "VaultVpnConnection",
            Type="ipsec.1",
            CustomerGatewayId=customer_gateway.ref(),
            VpnGatewayId=gateway.ref(),
            StaticRoutesOnly=True,
            Tags=tags(deployment, LAYER, "vault"),
        )
    )
    for cidr in vault.cidrs:
        template.add_resource(
            ec2.VPNConnectionRoute(
                f"VaultVpnRoute{range_suffix(cidr)}",
                VpnConnectionId=connection.ref(),
                DestinationCidrBlock=str(cidr),
            )
        )
    _add_routes(template, tables, vault.cidrs, depends_on=attachment, GatewayId=gateway.ref())


def _asn_property(asn: int) -> str:
    """Return the property for an autonomous system's number: it depends on the number's size.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ec2-customergateway.html
    """
    return "BgpAsn" if asn <= 2_147_483_647 else "BgpAsnExtended"


def _add_routes(
    template: Template,
    tables: list[ec2.RouteTable],
    ranges: tuple[Range, ...],
    *,
    depends_on: AWSObject | None = None,
    **target: object,
) -> None:
    for zone, table in enumerate(tables):
        for cidr in ranges:
            template.add_resource(
                ec2.Route(
                    f"App{zone}VaultRoute{range_suffix(cidr)}",
                    RouteTableId=table.ref(),
                    DestinationCidrBlock=str(cidr),
                    **target,
                    **({"DependsOn": [depends_on.title]} if depends_on else {}),
                )
            )
