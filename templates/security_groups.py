"""Who may open a connection to whom: every security group of a deployment, and every rule between two.

All groups live in the network layer. Rules name groups on both sides, and with the groups spread over layers
the stacks would need each other in a circle. So do the rules, but for what the database and its proxy let in:
whoever makes the way to the database brings that (`let_in`), and so the app always has one while it changes.
What a group lets out stays with the group: a change set that reverts drift takes other stacks' rules for
changes by hand, and would take them away.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-stack-drift.html
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from troposphere import AWSHelperFn, Template, ec2

from templates.deployment import Deployment, VaultHost
from templates.fields import Range
from templates.shared import LayerOutput, suppress, tags

LAYER = "network"
HTTPS = 443
PROXY_PORT = 3306
"""RDS Proxy listens here for MySQL, whatever the database's own port.

https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/rds-proxy-connecting.html
"""
FUNCTION_ENDPOINTS = frozenset({"events", "secretsmanager", "sns", "sts"})
"""What the replicator calls in AWS; with endpoints for all of these it needs no way to the internet."""
BOOTSTRAP_ENDPOINTS = frozenset({"secretsmanager"})

LOAD_BALANCER_SECURITY_GROUP = LayerOutput(LAYER, "LoadBalancerSecurityGroup")
INSTANCE_SECURITY_GROUP = LayerOutput(LAYER, "InstanceSecurityGroup")
FUNCTION_SECURITY_GROUP = LayerOutput(LAYER, "FunctionSecurityGroup")
DATABASE_SECURITY_GROUP = LayerOutput(LAYER, "DatabaseSecurityGroup")
BOOTSTRAP_SECURITY_GROUP = LayerOutput(LAYER, "BootstrapSecurityGroup")
PROXY_SECURITY_GROUP = LayerOutput(LAYER, "ProxySecurityGroup")
VAULT_SECURITY_GROUP = LayerOutput(LAYER, "VaultSecurityGroup")


@dataclass(frozen=True, slots=True)
class Groups:
    """Adds groups and rules to the network's template."""

    template: Template
    deployment: Deployment
    vpc: ec2.VPC

    def add(self, title: str, description: str, output: LayerOutput | None = None) -> ec2.SecurityGroup:
        """Add a group that admits nothing and reaches nothing yet, and export it."""
        group = self.template.add_resource(
            ec2.SecurityGroup(
                title,
                GroupDescription=description,
                VpcId=self.vpc.ref(),
                # EC2 gives a group without egress rules one to everywhere; this takes its place.
                SecurityGroupEgress=[
                    {"CidrIp": "127.0.0.1/32", "IpProtocol": "-1", "Description": "nothing by default"}
                ],
                Tags=tags(self.deployment, LAYER, title.removesuffix("SecurityGroup").lower()),
            )
        )
        if output:
            self.template.add_output(output.output(self.deployment, group.get_att("GroupId"), description))
        return group

    def connect(self, source: ec2.SecurityGroup, target: ec2.SecurityGroup, port: int, why: str) -> None:
        """Let *source* open TCP connections to *port* of *target*."""
        self.let_out(source, target, port, why)
        sides = {_short(group): group.get_att("GroupId") for group in (source, target)}
        _let_in(self.template, sides, port, why)

    def let_out(self, source: ec2.SecurityGroup, target: ec2.SecurityGroup, port: int, why: str) -> None:
        """Let *source* try TCP connections to *port* of *target*, which may not let them in."""
        self.template.add_resource(
            ec2.SecurityGroupEgress(
                f"{_short(source)}To{_short(target)}Out",
                GroupId=source.get_att("GroupId"),
                DestinationSecurityGroupId=target.get_att("GroupId"),
                Description=why,
                IpProtocol="tcp",
                FromPort=port,
                ToPort=port,
            )
        )

    def reach(
        self, source: ec2.SecurityGroup, name: str, ranges: Sequence[Range], port: int, why: str
    ) -> None:
        """Let *source* open TCP connections to *port* at addresses outside of the VPC."""
        for cidr in ranges:
            self.template.add_resource(
                ec2.SecurityGroupEgress(
                    f"{_short(source)}To{name}{titled(cidr)}",
                    GroupId=source.get_att("GroupId"),
                    Description=why,
                    IpProtocol="tcp",
                    FromPort=port,
                    ToPort=port,
                    CidrIp=str(cidr),
                )
            )

    def reach_s3(self, source: ec2.SecurityGroup, prefix_list: AWSHelperFn, why: str) -> None:
        """Let *source* reach S3 through its gateway endpoint."""
        self.template.add_resource(
            ec2.SecurityGroupEgress(
                f"{_short(source)}ToS3",
                GroupId=source.get_att("GroupId"),
                Description=why,
                IpProtocol="tcp",
                FromPort=HTTPS,
                ToPort=HTTPS,
                DestinationPrefixListId=prefix_list,
            )
        )

    def admit(self, target: ec2.SecurityGroup, ranges: Sequence[Range], port: int, why: str) -> None:
        """Let addresses outside of the VPC open TCP connections to *port* of *target*."""
        for cidr in ranges:
            rule = self.template.add_resource(
                ec2.SecurityGroupIngress(
                    f"InternetTo{_short(target)}{titled(cidr)}",
                    GroupId=target.get_att("GroupId"),
                    Description=why,
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
                    "The public page: the load balancer's HTTPS port, and no other.",
                )


def let_in(
    template: Template, deployment: Deployment, source: LayerOutput, target: LayerOutput, port: int, why: str
) -> str:
    """Have *target* take TCP connections of *source* to *port*, both imported; return the rule's title."""
    sides = {
        group.name.removesuffix("SecurityGroup"): group.imported(deployment) for group in (source, target)
    }
    return _let_in(template, sides, port, why)


def _let_in(template: Template, sides: Mapping[str, AWSHelperFn], port: int, why: str) -> str:
    (source, source_id), (target, target_id) = sides.items()
    rule = ec2.SecurityGroupIngress(
        f"{source}To{target}In",
        GroupId=target_id,
        SourceSecurityGroupId=source_id,
        Description=why,
        IpProtocol="tcp",
        FromPort=port,
        ToPort=port,
    )
    title: str = template.add_resource(rule).title
    return title


def titled(cidr: Range) -> str:
    """Return a range as part of a title: what is named for its range never collides with what it replaces.

    CloudFormation creates before it deletes, and EC2 takes no rule or route twice.
    """
    return re.sub(r"\W", "x", str(cidr)) if cidr.prefixlen else ""


_INTERNET = (Range("0.0.0.0/0"),)


def add_security_groups(groups: Groups, s3_prefix_list: AWSHelperFn) -> ec2.SecurityGroup:
    """Add all groups and rules; return the group of the interface endpoints."""
    deployment = groups.deployment
    endpoint_names = frozenset(deployment.network.endpoints)

    balancer = groups.add(
        "LoadBalancerSecurityGroup", "The HTTPS load balancer", LOAD_BALANCER_SECURITY_GROUP
    )
    instance = groups.add("InstanceSecurityGroup", "Instances of the application", INSTANCE_SECURITY_GROUP)
    function = groups.add("FunctionSecurityGroup", "The replicator", FUNCTION_SECURITY_GROUP)
    bootstrap = groups.add(
        "BootstrapSecurityGroup", "The function that sets the database up", BOOTSTRAP_SECURITY_GROUP
    )
    database = groups.add("DatabaseSecurityGroup", "The database", DATABASE_SECURITY_GROUP)
    endpoint = groups.add("EndpointSecurityGroup", "Interface endpoints of AWS services")

    groups.admit(balancer, deployment.edge.allow_from, HTTPS, "visitors over HTTPS")
    groups.connect(balancer, instance, HTTPS, "requests over TLS")
    # There without a proxy, too, so that one can come and go while the app has a way to the database.
    proxy = groups.add("ProxySecurityGroup", "The database proxy, if there is one", PROXY_SECURITY_GROUP)
    groups.let_out(instance, database, deployment.database.port, "queries of the application")
    groups.let_out(instance, proxy, PROXY_PORT, "queries of the application")
    groups.let_out(proxy, database, deployment.database.port, "pooled connections")
    groups.connect(bootstrap, database, deployment.database.port, "schema and users")
    groups.reach_s3(bootstrap, s3_prefix_list, "the answer to CloudFormation")

    callers = [
        (instance, frozenset[str](), "Beanstalk, packages, AWS through NAT"),
        (function, FUNCTION_ENDPOINTS, "AWS through NAT"),
        (bootstrap, BOOTSTRAP_ENDPOINTS, "AWS through NAT"),
    ]
    if isinstance(deployment.vault, VaultHost):
        vault = groups.add("VaultSecurityGroup", "The Vault host", VAULT_SECURITY_GROUP)
        groups.connect(function, vault, deployment.vault.port, "logins and reads")
        callers.append((vault, frozenset[str](), "packages, AWS through NAT"))
    else:
        groups.reach(function, "Vault", deployment.vault.cidrs, deployment.vault.port, "Vault")

    for caller, needed, why in callers:
        if endpoint_names:
            groups.connect(caller, endpoint, HTTPS, "AWS through endpoints")
        # An empty set means: it needs more of the internet than endpoints can give.
        if not needed or not needed <= endpoint_names:
            groups.reach(caller, "Internet", _INTERNET, HTTPS, why)
    return endpoint


def _short(group: ec2.SecurityGroup) -> str:
    return str(group.title).removesuffix("SecurityGroup")
