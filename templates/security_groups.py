"""Which connections are open: every security group of a deployment, and every rule between two groups.

All groups are in the network layer. A rule names the groups on both sides, so with groups spread over layers
the stacks would depend on each other in a cycle. The rules are there too, except the ingress rules of the
database and its proxy: the layer that creates the way to the database adds them (`add_ingress_between`), so
that the app always has a way in while it changes. Egress rules stay with their group: a change set that
reverts drift takes the rules of other stacks for manual changes, and would delete them.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-stack-drift.html
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from troposphere import AWSHelperFn, Template, ec2

from templates.deployment import Deployment
from templates.deployment_sections import VaultHost
from templates.deployment_values import Range
from templates.layer_outputs import LayerOutput
from templates.resource_tags import tags
from templates.suppressions import suppress

LAYER = "network"
HTTPS = 443
PROXY_PORT = 3306
"""RDS Proxy listens here for MySQL, whatever the database's own port.

https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/rds-proxy-connecting.html
"""
FUNCTION_ENDPOINTS = frozenset({"events", "secretsmanager", "sns", "sts"})
"""What the replicator calls in AWS. With endpoints for all of these it needs no route to the internet."""
BOOTSTRAP_ENDPOINTS = frozenset({"secretsmanager"})

LOAD_BALANCER_SECURITY_GROUP = LayerOutput(LAYER, "LoadBalancerSecurityGroup")
INSTANCE_SECURITY_GROUP = LayerOutput(LAYER, "InstanceSecurityGroup")
FUNCTION_SECURITY_GROUP = LayerOutput(LAYER, "FunctionSecurityGroup")
DATABASE_SECURITY_GROUP = LayerOutput(LAYER, "DatabaseSecurityGroup")
BOOTSTRAP_SECURITY_GROUP = LayerOutput(LAYER, "BootstrapSecurityGroup")
PROXY_SECURITY_GROUP = LayerOutput(LAYER, "ProxySecurityGroup")
VAULT_SECURITY_GROUP = LayerOutput(LAYER, "VaultSecurityGroup")


@dataclass(frozen=True, slots=True)
class SecurityGroupBuilder:
    """Adds security groups and rules to the network's template."""

    template: Template
    deployment: Deployment
    vpc: ec2.VPC

    def add(self, title: str, description: str, output: LayerOutput | None = None) -> ec2.SecurityGroup:
        """Add a group without ingress or egress yet, and export it."""
        group = self.template.add_resource(
            ec2.SecurityGroup(
                title,
                GroupDescription=description,
                VpcId=self.vpc.ref(),
                # EC2 adds an egress rule to everywhere to a group without one; this replaces it.
                SecurityGroupEgress=[
                    {"CidrIp": "127.0.0.1/32", "IpProtocol": "-1", "Description": "No egress by default"}
                ],
                Tags=tags(self.deployment, LAYER, title.removesuffix("SecurityGroup").lower()),
            )
        )
        if output:
            self.template.add_output(output.output(self.deployment, group.get_att("GroupId"), description))
        return group

    def connect(
        self, source: ec2.SecurityGroup, target: ec2.SecurityGroup, port: int, description: str
    ) -> None:
        """Allow TCP connections from *source* to *port* of *target*, with a rule on both sides."""
        self.allow_egress(source, target, port, description)
        _add_ingress(self.template, _own(source), _own(target), port, description)

    def allow_egress(
        self, source: ec2.SecurityGroup, target: ec2.SecurityGroup, port: int, description: str
    ) -> None:
        """Allow TCP connections out of *source* to *port* of *target*; ingress is added elsewhere."""
        self.template.add_resource(
            ec2.SecurityGroupEgress(
                f"{_short(source)}To{_short(target)}Egress",
                GroupId=source.get_att("GroupId"),
                DestinationSecurityGroupId=target.get_att("GroupId"),
                Description=description,
                IpProtocol="tcp",
                FromPort=port,
                ToPort=port,
            )
        )

    def allow_egress_to_ranges(
        self, source: ec2.SecurityGroup, name: str, ranges: Sequence[Range], port: int, description: str
    ) -> None:
        """Allow TCP connections out of *source* to *port* at addresses outside the VPC."""
        for cidr in ranges:
            self.template.add_resource(
                ec2.SecurityGroupEgress(
                    f"{_short(source)}To{name}Egress{range_suffix(cidr)}",
                    GroupId=source.get_att("GroupId"),
                    Description=description,
                    IpProtocol="tcp",
                    FromPort=port,
                    ToPort=port,
                    CidrIp=str(cidr),
                )
            )

    def allow_egress_to_s3(
        self, source: ec2.SecurityGroup, prefix_list: AWSHelperFn, description: str
    ) -> None:
        """Allow *source* to reach S3 through its gateway endpoint."""
        self.template.add_resource(
            ec2.SecurityGroupEgress(
                f"{_short(source)}ToS3Egress",
                GroupId=source.get_att("GroupId"),
                Description=description,
                IpProtocol="tcp",
                FromPort=HTTPS,
                ToPort=HTTPS,
                DestinationPrefixListId=prefix_list,
            )
        )

    def allow_ingress_from_ranges(
        self, target: ec2.SecurityGroup, ranges: Sequence[Range], port: int, description: str
    ) -> None:
        """Allow TCP connections from addresses outside the VPC to *port* of *target*."""
        for cidr in ranges:
            rule = self.template.add_resource(
                ec2.SecurityGroupIngress(
                    f"InternetTo{_short(target)}Ingress{range_suffix(cidr)}",
                    GroupId=target.get_att("GroupId"),
                    Description=description,
                    IpProtocol="tcp",
                    FromPort=port,
                    ToPort=port,
                    CidrIp=str(cidr),
                )
            )
            if cidr.prefixlen == 0:
                suppress(
                    rule,
                    "AwsSolutions-EC23",
                    "The load balancer's HTTPS port is public, and no other.",
                )


def add_ingress_between(
    template: Template,
    deployment: Deployment,
    source: LayerOutput,
    target: LayerOutput,
    port: int,
    description: str,
) -> str:
    """Allow TCP connections from *source* into *port* of *target*, both imported; return the rule's id."""
    return _add_ingress(
        template, _imported(source, deployment), _imported(target, deployment), port, description
    )


@dataclass(frozen=True, slots=True)
class _Group:
    """A security group of this template or another's: its part of a rule's logical id, and its own id."""

    name: str
    group_id: AWSHelperFn


def _own(group: ec2.SecurityGroup) -> _Group:
    return _Group(_short(group), group.get_att("GroupId"))


def _imported(group: LayerOutput, deployment: Deployment) -> _Group:
    return _Group(group.name.removesuffix("SecurityGroup"), group.imported(deployment))


def _add_ingress(template: Template, source: _Group, target: _Group, port: int, description: str) -> str:
    rule = ec2.SecurityGroupIngress(
        f"{source.name}To{target.name}Ingress",
        GroupId=target.group_id,
        SourceSecurityGroupId=source.group_id,
        Description=description,
        IpProtocol="tcp",
        FromPort=port,
        ToPort=port,
    )
    title: str = template.add_resource(rule).title
    return title


def range_suffix(cidr: Range) -> str:
    """Return a range as the end of a logical id, so that a rule for another range is another resource.

    CloudFormation creates before it deletes, and EC2 refuses the same rule or route twice.
    """
    return re.sub(r"\W", "x", str(cidr)) if cidr.prefixlen else ""


_INTERNET = (Range("0.0.0.0/0"),)


def add_security_groups(groups: SecurityGroupBuilder, s3_prefix_list: AWSHelperFn) -> ec2.SecurityGroup:
    """Add all groups and rules; return the group of the interface endpoints."""
    deployment = groups.deployment
    endpoint_names = frozenset(deployment.network.endpoints)

    balancer = groups.add(
        "LoadBalancerSecurityGroup", "The HTTPS load balancer", LOAD_BALANCER_SECURITY_GROUP
    )
    instance = groups.add(
        "InstanceSecurityGroup", "The instances of the application", INSTANCE_SECURITY_GROUP
    )
    function = groups.add("FunctionSecurityGroup", "The replicator function", FUNCTION_SECURITY_GROUP)
    bootstrap = groups.add(
        "BootstrapSecurityGroup",
        "The bootstrap function",
        BOOTSTRAP_SECURITY_GROUP,
    )
    database = groups.add("DatabaseSecurityGroup", "The database", DATABASE_SECURITY_GROUP)
    endpoint = groups.add("EndpointSecurityGroup", "The interface endpoints of AWS services")

    groups.allow_ingress_from_ranges(balancer, deployment.edge.allow_from, HTTPS, "HTTPS from clients")
    groups.connect(balancer, instance, HTTPS, "HTTPS to the application")
    # It exists without a proxy too, so that a proxy can be added and removed while the app stays connected.
    proxy = groups.add("ProxySecurityGroup", "The database proxy, in mode proxy", PROXY_SECURITY_GROUP)
    groups.allow_egress(instance, database, deployment.database.port, "Queries of the application")
    groups.allow_egress(instance, proxy, PROXY_PORT, "Queries of the application")
    groups.allow_egress(proxy, database, deployment.database.port, "Pooled connections of the proxy")
    groups.connect(bootstrap, database, deployment.database.port, "Creating schema and users")
    groups.allow_egress_to_s3(bootstrap, s3_prefix_list, "Responses to CloudFormation")

    callers = [
        (instance, frozenset[str](), "Beanstalk, packages and AWS APIs through NAT"),
        (function, FUNCTION_ENDPOINTS, "AWS APIs through NAT"),
        (bootstrap, BOOTSTRAP_ENDPOINTS, "AWS APIs through NAT"),
    ]
    if isinstance(deployment.vault, VaultHost):
        vault = groups.add("VaultSecurityGroup", "The Vault host", VAULT_SECURITY_GROUP)
        groups.connect(function, vault, deployment.vault.port, "Vault API")
        callers.append((vault, frozenset[str](), "Packages and AWS APIs through NAT"))
    else:
        groups.allow_egress_to_ranges(
            function, "Vault", deployment.vault.cidrs, deployment.vault.port, "Vault API"
        )

    for caller, needed, description in callers:
        if endpoint_names:
            groups.connect(caller, endpoint, HTTPS, "AWS APIs through endpoints")
        # An empty set: the caller needs more of the internet than endpoints offer.
        if not needed or not needed <= endpoint_names:
            groups.allow_egress_to_ranges(caller, "Internet", _INTERNET, HTTPS, description)
    return endpoint


def _short(group: ec2.SecurityGroup) -> str:
    return str(group.title).removesuffix("SecurityGroup")
