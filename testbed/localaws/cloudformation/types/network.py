"""AWS::EC2 types but security groups: VPCs, subnets, routes, gateways, endpoints, launch templates."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from ... import moto_client
from ..errors import ResourceFailed
from ..resource import Resource
from ..resource_type import ResourceType, Setting, attributes_named, names, sets

_ec2 = partial(ResourceType, service="ec2")


def _boxed(call: str, argument: str) -> Setting:
    """Return a setting of a call that takes its argument as {"Value": …}."""
    return sets(call, argument, value=lambda v: {"Value": v})


def _default_security_group(vpc: Resource) -> str:
    filters = [{"Name": "vpc-id", "Values": [vpc.physical_id]}, {"Name": "group-name", "Values": ["default"]}]
    return str(vpc.call("describe_security_groups", Filters=filters)["SecurityGroups"][0]["GroupId"])


# Attachments, routes, flow logs


def _attach(resource: Resource) -> None:
    kind = "internet" if "InternetGatewayId" in resource.properties else "vpn"
    resource.call(f"attach_{kind}_gateway", **resource.properties)
    resource.physical_id = f"{'IGW' if kind == 'internet' else 'VGW'}|{resource.properties['VpcId']}"


def _detach(resource: Resource) -> None:
    kind = "internet" if "InternetGatewayId" in resource.properties else "vpn"
    resource.call(f"detach_{kind}_gateway", **resource.properties)


def _create_route(route: Resource) -> None:
    route.call("create_route", **route.properties)
    blocks = ("DestinationCidrBlock", "DestinationIpv6CidrBlock", "DestinationPrefixListId")
    destination = next(route.properties[name] for name in blocks if name in route.properties)
    route.physical_id = f"{route.properties['RouteTableId']}|{destination}"


def _create_peering(peering: Resource) -> None:
    """Create the peering and accept it, as CloudFormation does: in another account by a role of that account.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/peer-with-vpc-in-another-account.html,
    https://github.com/aws/aws-cdk/issues/17383 (the failure without a role)
    """
    properties = peering.properties
    request = peering.pick("VpcId", "PeerVpcId", "PeerOwnerId", "PeerRegion")
    peering.take_answer(
        peering.call(
            "create_vpc_peering_connection",
            **request,
            **peering.tag_arguments("create_vpc_peering_connection"),
        )
    )
    account, own = properties.get("PeerOwnerId", peering.scope.account), peering.scope.account
    role = properties.get("PeerRoleArn")
    if account != own and (role is None or role.split(":")[4] != account):
        peering.call("delete_vpc_peering_connection", VpcPeeringConnectionId=peering.physical_id)
        raise ResourceFailed(f"User {own} cannot accept peering {peering.physical_id}")
    region = properties.get("PeerRegion", peering.scope.region)
    accepter = moto_client.client("ec2", region, account)
    accepter.accept_vpc_peering_connection(VpcPeeringConnectionId=peering.physical_id)


def _create_flow_log(log: Resource) -> None:
    arguments = log.create_arguments() | {"ResourceIds": [log.properties["ResourceId"]]}
    del arguments["ResourceId"]
    answer = log.call("create_flow_logs", **arguments, **log.tag_arguments("create_flow_logs"))
    if refused := answer.get("Unsuccessful"):
        raise ResourceFailed(refused[0]["Error"]["Message"])
    log.physical_id = answer["FlowLogIds"][0]


def _update_endpoint(endpoint: Resource, old: Mapping[str, Any]) -> None:
    arguments = endpoint.pick("PolicyDocument", "PrivateDnsEnabled")
    for name in ("RouteTableIds", "SubnetIds", "SecurityGroupIds"):
        removed, new = endpoint.difference(old, name)
        arguments |= {f"Add{name}": new or None, f"Remove{name}": removed or None}
    endpoint.call("modify_vpc_endpoint", VpcEndpointId=endpoint.physical_id, **arguments)


def _update_template(template: Resource, _: Mapping[str, Any]) -> None:
    made = template.call(
        "create_launch_template_version",
        LaunchTemplateId=template.physical_id,
        LaunchTemplateData=template.properties["LaunchTemplateData"],
    )["LaunchTemplateVersion"]
    template.answer["LatestVersionNumber"] = made["VersionNumber"]


TYPES = (
    _ec2(
        name="AWS::EC2::VPC",
        create="create_vpc",
        answer="Vpc",
        id="VpcId",
        delete="delete_vpc",
        settings={
            "EnableDnsSupport": _boxed("modify_vpc_attribute", "EnableDnsSupport"),
            "EnableDnsHostnames": _boxed("modify_vpc_attribute", "EnableDnsHostnames"),
        },
        attributes=attributes_named("CidrBlock") | {"DefaultSecurityGroup": _default_security_group},
        tagged="{id}",
        tag_kind="vpc",
    ),
    _ec2(
        name="AWS::EC2::Subnet",
        create="create_subnet",
        answer="Subnet",
        id="SubnetId",
        delete="delete_subnet",
        settings={"MapPublicIpOnLaunch": _boxed("modify_subnet_attribute", "MapPublicIpOnLaunch")},
        tagged="{id}",
        tag_kind="subnet",
    ),
    _ec2(
        name="AWS::EC2::InternetGateway",
        create="create_internet_gateway",
        answer="InternetGateway",
        id="InternetGatewayId",
        delete="delete_internet_gateway",
        tagged="{id}",
        tag_kind="internet-gateway",
    ),
    _ec2(
        name="AWS::EC2::VPNGateway",
        create="create_vpn_gateway",
        answer="VpnGateway",
        id="VpnGatewayId",
        delete="delete_vpn_gateway",
        tagged="{id}",
        tag_kind="vpn-gateway",
    ),
    _ec2(name="AWS::EC2::VPCGatewayAttachment", create=_attach, delete=_detach),
    _ec2(
        name="AWS::EC2::EIP",
        create="allocate_address",
        id="PublicIp",
        delete="release_address",
        delete_with={"AllocationId": "AllocationId"},
        attributes=attributes_named("AllocationId"),
        tagged="AllocationId",
        tag_kind="elastic-ip",
    ),
    _ec2(
        name="AWS::EC2::NatGateway",
        create="create_nat_gateway",
        answer="NatGateway",
        id="NatGatewayId",
        delete="delete_nat_gateway",
        tagged="{id}",
        tag_kind="natgateway",
    ),
    _ec2(
        name="AWS::EC2::RouteTable",
        create="create_route_table",
        answer="RouteTable",
        id="RouteTableId",
        delete="delete_route_table",
        tagged="{id}",
        tag_kind="route-table",
    ),
    _ec2(
        name="AWS::EC2::Route",
        create=_create_route,
        update="replace_route",
        whole=True,
        replace=names("RouteTableId DestinationCidrBlock DestinationIpv6CidrBlock DestinationPrefixListId"),
        delete="delete_route",
    ),
    _ec2(
        name="AWS::EC2::SubnetRouteTableAssociation",
        create="associate_route_table",
        id="AssociationId",
        delete="disassociate_route_table",
    ),
    _ec2(
        name="AWS::EC2::FlowLog",
        create=_create_flow_log,
        delete="delete_flow_logs",
        delete_with={"FlowLogIds": ["{id}"]},
        tagged="{id}",
        tag_kind="vpc-flow-log",
    ),
    _ec2(
        name="AWS::EC2::VPCEndpoint",
        create="create_vpc_endpoint",
        answer="VpcEndpoint",
        id="VpcEndpointId",
        update=_update_endpoint,
        mutable=names("PolicyDocument PrivateDnsEnabled RouteTableIds SubnetIds SecurityGroupIds"),
        delete="delete_vpc_endpoints",
        delete_with={"VpcEndpointIds": ["{id}"]},
        tagged="{id}",
        tag_kind="vpc-endpoint",
    ),
    _ec2(
        name="AWS::EC2::VPCPeeringConnection",
        create=_create_peering,
        known=names("VpcId PeerVpcId PeerOwnerId PeerRegion PeerRoleArn"),
        answer="VpcPeeringConnection",
        id="VpcPeeringConnectionId",
        delete="delete_vpc_peering_connection",
        delete_with={"VpcPeeringConnectionId": "{id}"},
        tagged="{id}",
        tag_kind="vpc-peering-connection",
    ),
    _ec2(
        name="AWS::EC2::TransitGatewayAttachment",
        create="create_transit_gateway_vpc_attachment",
        answer="TransitGatewayVpcAttachment",
        id="TransitGatewayAttachmentId",
        delete="delete_transit_gateway_vpc_attachment",
        tagged="{id}",
        tag_kind="transit-gateway-attachment",
    ),
    _ec2(
        name="AWS::EC2::LaunchTemplate",
        create="create_launch_template",
        answer="LaunchTemplate",
        id="LaunchTemplateId",
        named="LaunchTemplateName",
        update=_update_template,
        mutable=names("LaunchTemplateData TagSpecifications"),
        delete="delete_launch_template",
        delete_with={"LaunchTemplateId": "{id}"},
        attributes=attributes_named("LatestVersionNumber"),
    ),
    _ec2(
        name="AWS::EC2::Volume",
        create="create_volume",
        id="VolumeId",
        update="modify_volume",
        delete="delete_volume",
        snapshot=lambda volume: volume.call("create_snapshot", VolumeId=volume.physical_id),
        deletion_policy="Snapshot",
        tagged="{id}",
        tag_kind="volume",
    ),
)
