"""The way from the VPC to Vault where it isn't the internet: peering, transit gateway or VPN, with routes."""

from typing import assert_never

from troposphere import AWSObject, Template, ec2

from templates.deployment import Deployment, OutsideVault, PeeredVault, TransitVault, VaultHost, VpnVault
from templates.fields import Range
from templates.security_groups import LAYER, titled
from templates.shared import tags


def add_way_to_vault(
    template: Template, deployment: Deployment, vpc: ec2.VPC, tables: list[ec2.RouteTable]
) -> None:
    """Add to the network what its application subnets need to reach Vault; only its ranges get a route."""
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
    elsewhere = {"PeerOwnerId": vault.account, "PeerRegion": vault.region, "PeerRoleArn": vault.role_arn}
    peering = template.add_resource(
        ec2.VPCPeeringConnection(
            "VaultPeering",
            VpcId=vpc.ref(),
            PeerVpcId=vault.vpc_id,
            Tags=tags(deployment, LAYER, "vault"),
            **{name: value for name, value in elsewhere.items() if value},
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
            "VaultAttachment",
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
        ec2.VPCGatewayAttachment("VaultVpnAttachment", VpcId=vpc.ref(), VpnGatewayId=gateway.ref())
    )
    device = template.add_resource(
        ec2.CustomerGateway(
            "VaultVpnDevice",
            Type="ipsec.1",
            IpAddress=vault.gateway_address,
            BgpAsn=vault.gateway_asn,
            Tags=tags(deployment, LAYER, "vault"),
        )
    )
    connection = template.add_resource(
        ec2.VPNConnection(
            "VaultVpnConnection",
            Type="ipsec.1",
            CustomerGatewayId=device.ref(),
            VpnGatewayId=gateway.ref(),
            StaticRoutesOnly=True,
            Tags=tags(deployment, LAYER, "vault"),
        )
    )
    for cidr in vault.cidrs:
        template.add_resource(
            ec2.VPNConnectionRoute(
                f"VaultVpnRoute{titled(cidr)}",
                VpnConnectionId=connection.ref(),
                DestinationCidrBlock=str(cidr),
            )
        )
    _add_routes(template, tables, vault.cidrs, depends_on=attachment, GatewayId=gateway.ref())


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
                    f"App{zone}VaultRoute{titled(cidr)}",
                    RouteTableId=table.ref(),
                    DestinationCidrBlock=str(cidr),
                    **target,
                    **({"DependsOn": [depends_on.title]} if depends_on else {}),
                )
            )
