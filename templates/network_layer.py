"""The network layer: a VPC whose instances are private and whose database has no route out."""

from troposphere import AWSHelperFn, GetAtt, Parameter, Ref, Template, ec2

from templates.deployment import Deployment
from templates.inline_function import add_inline_function
from templates.layer_outputs import LayerOutput, ZonedOutput
from templates.log_groups import add_log_group
from templates.policies import arns, document
from templates.policies.custom_resource_roles import describe_network, revoke_rules
from templates.policies.endpoint_policies import (
    allow_account,
    allow_aws_downloads,
    allow_cloudformation_responses,
)
from templates.policies.flow_log_role import deliver_flow_logs
from templates.policies.roles import add_role
from templates.policies.trust_policies import assumed_by
from templates.rendering import new_template
from templates.resource_tags import tags
from templates.security_groups import LAYER, SecurityGroupBuilder, add_security_groups
from templates.suppressions import suppress_in_packs
from templates.vault_connectivity import add_vault_connectivity

VPC_ID = LayerOutput(LAYER, "VpcId")
PUBLIC_SUBNETS = ZonedOutput(LAYER, "PublicSubnet")
"""For the load balancer."""
APP_SUBNETS = ZonedOutput(LAYER, "AppSubnet")
"""For instances and functions: they reach out through NAT."""
DATABASE_SUBNETS = ZonedOutput(LAYER, "DatabaseSubnet")
"""For the database: no default route."""
NAT_GATEWAYS = ZonedOutput(LAYER, "NatGateway")
"""One, or one per availability zone."""
FIRST_ZONE = LayerOutput(LAYER, "FirstZone")
"""The availability zone of the first subnets."""
MOST_ZONES = 3


def zone_parameter(zone: int) -> str:
    """Return the name of the parameter with the availability zone of one subnet of each kind.

    One parameter for each, so that another zone leaves those of existing subnets unchanged.
    """
    return f"AvailabilityZone{zone}"


def build(deployment: Deployment) -> Template:
    """Return the template of the VPC, its subnets, routes, endpoints, security groups and flow log."""
    template = new_template(deployment, LAYER, "VPC, subnets, routes, endpoints, security groups, flow log")
    vpc = template.add_resource(
        ec2.VPC(
            "Vpc",
            CidrBlock=str(deployment.network.cidr),
            EnableDnsSupport=True,
            EnableDnsHostnames=True,  # private DNS names of endpoints need both
            Tags=tags(deployment, LAYER, "vpc"),
        )
    )
    suppress_in_packs(
        vpc,
        "VPCDefaultSecurityGroupClosed",
        "No property closes the default group; the custom resource NetworkSetup revokes its rules.",
    )
    template.add_output(VPC_ID.output(deployment, vpc.ref(), "The VPC"))
    app_tables, database_table = _add_subnets(template, deployment, vpc)
    setup = _add_setup(template, deployment, vpc)
    groups = SecurityGroupBuilder(template, deployment, vpc)
    endpoint_group = add_security_groups(groups, GetAtt(setup, "S3PrefixList"))
    _add_endpoints(template, deployment, vpc, [*app_tables, database_table], endpoint_group)
    _add_flow_log(template, deployment, vpc)
    add_vault_connectivity(template, deployment, vpc, app_tables)
    return template


def _add_subnets(
    template: Template, deployment: Deployment, vpc: ec2.VPC
) -> tuple[list[ec2.RouteTable], ec2.RouteTable]:
    """Add gateways, subnets and routes; return the route tables of applications and of the database."""
    gateway = template.add_resource(
        ec2.InternetGateway("InternetGateway", Tags=tags(deployment, LAYER, "internet"))
    )
    attachment = template.add_resource(
        ec2.VPCGatewayAttachment(
            "InternetGatewayAttachment", VpcId=vpc.ref(), InternetGatewayId=gateway.ref()
        )
    )
    for zone in range(deployment.network.availability_zones):
        template.add_parameter(
            Parameter(
                zone_parameter(zone), Type="String", Description=f"Availability zone of the subnets {zone}"
            )
        )
    template.add_output(
        FIRST_ZONE.output(deployment, Ref(zone_parameter(0)), "Availability zone of the first subnets")
    )
    public_ranges, app_ranges, database_ranges = deployment.network.subnets
    public_table = _add_table(template, deployment, vpc, "Public")
    route = template.add_resource(
        ec2.Route(
            "PublicDefaultRoute",
            DependsOn=[attachment.title],
            RouteTableId=public_table.ref(),
            DestinationCidrBlock="0.0.0.0/0",
            GatewayId=gateway.ref(),
        )
    )
    suppress_in_packs(
        route,
        "VPCNoUnrestrictedRouteToIGW",
        "These subnets hold the load balancer and NAT gateways only, which serve and reach the internet.",
    )
    public = [
        _add_subnet(template, deployment, vpc, public_table, f"Public{index}", str(cidr), index)
        for index, cidr in enumerate(public_ranges)
    ]
    nats = [
        _add_nat(template, deployment, public[index], attachment, index)
        for index in range(len(public) if deployment.network.nat == "per-az" else 1)
    ]
    app: list[ec2.Subnet] = []
    app_tables: list[ec2.RouteTable] = []
    for index, cidr in enumerate(app_ranges):
        table = _add_table(template, deployment, vpc, f"App{index}")
        template.add_resource(
            ec2.Route(
                f"App{index}DefaultRoute",
                RouteTableId=table.ref(),
                DestinationCidrBlock="0.0.0.0/0",
                NatGatewayId=nats[min(index, len(nats) - 1)].ref(),
            )
        )
        app_tables.append(table)
        app.append(_add_subnet(template, deployment, vpc, table, f"App{index}", str(cidr), index))
    database_table = _add_table(template, deployment, vpc, "Database")
    database = [
        _add_subnet(template, deployment, vpc, database_table, f"Database{index}", str(cidr), index)
        for index, cidr in enumerate(database_ranges)
    ]
    for output, resources, description in (
        (PUBLIC_SUBNETS, public, "Public subnet, for the load balancer"),
        (APP_SUBNETS, app, "Private subnet, for instances and functions"),
        (DATABASE_SUBNETS, database, "Isolated subnet, for the database"),
        (NAT_GATEWAYS, nats, "NAT gateway"),
    ):
        for zone, resource in enumerate(resources):
            template.add_output(output.of(zone).output(deployment, resource.ref(), description))
    return app_tables, database_table


def _add_table(template: Template, deployment: Deployment, vpc: ec2.VPC, name: str) -> ec2.RouteTable:
    return template.add_resource(
        ec2.RouteTable(f"{name}RouteTable", VpcId=vpc.ref(), Tags=tags(deployment, LAYER, name.lower()))
    )


def _add_subnet(
    template: Template,
    deployment: Deployment,
    vpc: ec2.VPC,
    table: ec2.RouteTable,
    name: str,
    cidr: str,
    zone: int,
) -> ec2.Subnet:
    subnet = template.add_resource(
        ec2.Subnet(
            f"{name}Subnet",
            VpcId=vpc.ref(),
            CidrBlock=cidr,
            AvailabilityZone=Ref(zone_parameter(zone)),
            MapPublicIpOnLaunch=False,
            Tags=tags(deployment, LAYER, name.lower()),
        )
    )
    template.add_resource(
        ec2.SubnetRouteTableAssociation(
            f"{name}RouteTableAssociation", SubnetId=subnet.ref(), RouteTableId=table.ref()
        )
    )
    return subnet


def _add_nat(
    template: Template,
    deployment: Deployment,
    subnet: ec2.Subnet,
    attachment: ec2.VPCGatewayAttachment,
    index: int,
) -> ec2.NatGateway:
    address = template.add_resource(
        ec2.EIP(
            f"NatGateway{index}Address",
            DependsOn=[attachment.title],
            Domain="vpc",
            Tags=tags(deployment, LAYER, f"nat{index}"),
        )
    )
    return template.add_resource(
        ec2.NatGateway(
            f"NatGateway{index}",
            AllocationId=address.get_att("AllocationId"),
            SubnetId=subnet.ref(),
            Tags=tags(deployment, LAYER, f"nat{index}"),
        )
    )


def _add_setup(template: Template, deployment: Deployment, vpc: ec2.VPC) -> AWSHelperFn:
    group = arns.security_group("${Vpc.DefaultSecurityGroup}")
    return add_inline_function(
        template,
        deployment,
        LAYER,
        title="NetworkSetup",
        code="network_setup",
        description="closes the default security group and finds S3's prefix list",
        allow=[describe_network(), revoke_rules(group)],
        properties={"VpcId": vpc.ref(), "DefaultSecurityGroup": vpc.get_att("DefaultSecurityGroup")},
    )


def _add_endpoints(
    template: Template,
    deployment: Deployment,
    vpc: ec2.VPC,
    tables: list[ec2.RouteTable],
    group: ec2.SecurityGroup,
) -> None:
    region = deployment.region
    template.add_resource(
        ec2.VPCEndpoint(
            "S3Endpoint",
            VpcEndpointType="Gateway",
            ServiceName=f"com.amazonaws.{region}.s3",
            VpcId=vpc.ref(),
            RouteTableIds=[table.ref() for table in tables],
            PolicyDocument=document(
                [allow_account(), allow_aws_downloads(), allow_cloudformation_responses()]
            ),
            Tags=tags(deployment, LAYER, "s3"),
        )
    )
    subnets = [Ref(f"App{index}Subnet") for index in range(deployment.network.availability_zones)]
    for service in deployment.network.endpoints:
        template.add_resource(
            ec2.VPCEndpoint(
                f"{service.capitalize()}Endpoint",
                VpcEndpointType="Interface",
                ServiceName=f"com.amazonaws.{region}.{service}",
                VpcId=vpc.ref(),
                SubnetIds=subnets,
                SecurityGroupIds=[group.get_att("GroupId")],
                PrivateDnsEnabled=True,
                PolicyDocument=document([allow_account()]),
                Tags=tags(deployment, LAYER, service),
            )
        )


def _add_flow_log(template: Template, deployment: Deployment, vpc: ec2.VPC) -> None:
    group = add_log_group(
        template, deployment, LAYER, "FlowLogGroup", f"/beanvault/{deployment.name}/flow", "flow"
    )
    role = add_role(
        template,
        "FlowLogRole",
        trust=assumed_by("vpc-flow-logs.amazonaws.com"),
        allow=[deliver_flow_logs([group.get_att("Arn")])],
        description="delivers the VPC's flow log",
        tags=tags(deployment, LAYER),
    )
    template.add_resource(
        ec2.FlowLog(
            "FlowLog",
            ResourceType="VPC",
            ResourceId=vpc.ref(),
            TrafficType="ALL",
            LogDestinationType="cloud-watch-logs",
            LogGroupName=group.ref(),
            DeliverLogsPermissionArn=role.get_att("Arn"),
            MaxAggregationInterval=60,
            Tags=tags(deployment, LAYER, "flow"),
        )
    )
