"""The network layer: a VPC whose instances are private and whose database has no way out."""

from troposphere import AWSHelperFn, GetAtt, GetAZs, Ref, Select, Sub, Template, ec2, logs

from templates import keys
from templates.connectivity import add_way_to_vault
from templates.custom_resource import add_inline_function
from templates.deployment import Deployment
from templates.policies import add_role, document
from templates.policies.network import (
    close_group,
    deliver_flow_logs,
    encrypt_volumes,
    endpoint_for_account,
    endpoint_for_answers,
    endpoint_for_platform,
    see_network,
)
from templates.policies.resource import assumed_by
from templates.security_groups import LAYER, Groups, add_security_groups
from templates.shared import LayerOutput, ZonedOutput, new_template, suppress_in_packs, tags

VPC_ID = LayerOutput(LAYER, "VpcId")
PUBLIC_SUBNETS = ZonedOutput(LAYER, "PublicSubnet")
"""For the load balancer."""
APP_SUBNETS = ZonedOutput(LAYER, "AppSubnet")
"""For instances and functions: they reach out through NAT."""
DATABASE_SUBNETS = ZonedOutput(LAYER, "DatabaseSubnet")
"""For the database: no default route."""
NAT_GATEWAYS = ZonedOutput(LAYER, "NatGateway")
"""One, or one per availability zone."""


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
        "No property closes the default group; the custom resource NetworkSetup takes its rules away.",
    )
    template.add_output(VPC_ID.output(deployment, vpc.ref(), "The VPC"))
    app_tables, database_table = _add_subnets(template, deployment, vpc)
    setup = _add_setup(template, deployment, vpc)
    endpoint_group = add_security_groups(Groups(template, deployment, vpc), GetAtt(setup, "S3PrefixList"))
    _add_endpoints(template, deployment, vpc, [*app_tables, database_table], endpoint_group)
    _add_flow_log(template, deployment, vpc)
    add_way_to_vault(template, deployment, vpc, app_tables)
    return template


def _add_subnets(
    template: Template, deployment: Deployment, vpc: ec2.VPC
) -> tuple[list[ec2.RouteTable], ec2.RouteTable]:
    """Add gateways, subnets and routes; return the route tables of applications and of the database."""
    gateway = template.add_resource(
        ec2.InternetGateway("InternetGateway", Tags=tags(deployment, LAYER, "internet"))
    )
    attachment = template.add_resource(
        ec2.VPCGatewayAttachment("InternetAttachment", VpcId=vpc.ref(), InternetGatewayId=gateway.ref())
    )
    public_ranges, app_ranges, database_ranges = deployment.network.subnets
    public_table = _add_table(template, deployment, vpc, "Public")
    route = template.add_resource(
        ec2.Route(
            "PublicRoute",
            DependsOn=[attachment.title],
            RouteTableId=public_table.ref(),
            DestinationCidrBlock="0.0.0.0/0",
            GatewayId=gateway.ref(),
        )
    )
    suppress_in_packs(
        route,
        "VPCNoUnrestrictedRouteToIGW",
        "Only load balancer and NAT gateways are in these subnets, and they serve and reach the internet.",
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
                f"App{index}Route",
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
        (PUBLIC_SUBNETS, public, "Subnet of the load balancer"),
        (APP_SUBNETS, app, "Subnet of instances and functions"),
        (DATABASE_SUBNETS, database, "Subnet of the database"),
        (NAT_GATEWAYS, nats, "NAT gateway"),
    ):
        for zone, resource in enumerate(resources):
            template.add_output(output.of(zone).output(deployment, resource.ref(), description))
    return app_tables, database_table


def _add_table(template: Template, deployment: Deployment, vpc: ec2.VPC, name: str) -> ec2.RouteTable:
    return template.add_resource(
        ec2.RouteTable(f"{name}Routes", VpcId=vpc.ref(), Tags=tags(deployment, LAYER, name.lower()))
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
            AvailabilityZone=Select(zone, GetAZs("")),
            MapPublicIpOnLaunch=False,
            Tags=tags(deployment, LAYER, name.lower()),
        )
    )
    template.add_resource(
        ec2.SubnetRouteTableAssociation(f"{name}Association", SubnetId=subnet.ref(), RouteTableId=table.ref())
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
            f"Nat{index}Address",
            DependsOn=[attachment.title],
            Domain="vpc",
            Tags=tags(deployment, LAYER, f"nat{index}"),
        )
    )
    return template.add_resource(
        ec2.NatGateway(
            f"Nat{index}",
            AllocationId=address.get_att("AllocationId"),
            SubnetId=subnet.ref(),
            Tags=tags(deployment, LAYER, f"nat{index}"),
        )
    )


def _add_setup(template: Template, deployment: Deployment, vpc: ec2.VPC) -> AWSHelperFn:
    group = Sub(
        "arn:${AWS::Partition}:ec2:${AWS::Region}:${AWS::AccountId}:security-group/${Vpc.DefaultSecurityGroup}"
    )
    return add_inline_function(
        template,
        deployment,
        LAYER,
        title="NetworkSetup",
        code="network_setup",
        description="closes the default security group, finds S3's prefix list, encrypts volumes",
        may=[see_network(), close_group(group), encrypt_volumes()],
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
                [endpoint_for_account(), endpoint_for_platform(), endpoint_for_answers()]
            ),
            Tags=tags(deployment, LAYER, "s3"),
        )
    )
    # China's interface endpoints begin differently, but for the gateway's.
    start = "cn.com.amazonaws" if deployment.partition == "aws-cn" else "com.amazonaws"
    subnets = [Ref(f"App{index}Subnet") for index in range(deployment.network.availability_zones)]
    for service in deployment.network.endpoints:
        template.add_resource(
            ec2.VPCEndpoint(
                f"{service.capitalize()}Endpoint",
                VpcEndpointType="Interface",
                ServiceName=f"{start}.{region}.{service}",
                VpcId=vpc.ref(),
                SubnetIds=subnets,
                SecurityGroupIds=[group.get_att("GroupId")],
                PrivateDnsEnabled=True,
                PolicyDocument=document([endpoint_for_account()]),
                Tags=tags(deployment, LAYER, service),
            )
        )


def _add_flow_log(template: Template, deployment: Deployment, vpc: ec2.VPC) -> None:
    group = template.add_resource(
        logs.LogGroup(
            "FlowLogs",
            LogGroupName=f"/beanvault/{deployment.name}/flow",
            KmsKeyId=keys.DATA_KEY_ARN.imported(deployment),
            RetentionInDays=deployment.logs.retention_days,
            Tags=tags(deployment, LAYER, "flow"),
            **deployment.retention,
        )
    )
    role = add_role(
        template,
        "FlowLogRole",
        trust=assumed_by("vpc-flow-logs.amazonaws.com"),
        may=[deliver_flow_logs([group.get_att("Arn")])],
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
