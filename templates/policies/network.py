"""Who may use the VPC's endpoints, and what the network's own roles may do."""

from collections.abc import Sequence

from awacs import ec2, logs, s3
from awacs.aws import (
    Action,
    Allow,
    Condition,
    Principal,
    Statement,
    StringEquals,
)
from troposphere import Ref, Sub

from templates.policies import Arn

_ACCOUNT = Ref("AWS::AccountId")


def endpoint_for_account() -> Statement:
    """Let principals of the account through, to do what their own policies allow."""
    return Statement(
        Sid="OnlyPrincipalsOfTheAccount",
        Effect=Allow,
        Principal=Principal("*"),
        Action=[Action("*")],
        Resource=["*"],
        Condition=Condition([StringEquals({"aws:PrincipalAccount": _ACCOUNT})]),
    )


def endpoint_for_platform() -> Statement:
    """Let anybody read what AWS publishes for its instances: packages, agents and Beanstalk's platform.

    https://docs.aws.amazon.com/elasticbeanstalk/latest/dg/vpc-vpce.policy.html,
    https://docs.aws.amazon.com/linux/al2023/ug/s3-endpoints.html,
    https://docs.aws.amazon.com/systems-manager/latest/userguide/ssm-agent-minimum-s3-permissions.html
    """
    buckets = (
        "al2023-repos-${AWS::Region}-de612dc2",
        "amazon-ssm-${AWS::Region}",
        "amazon-ssm-packages-${AWS::Region}",
        "aws-ssm-${AWS::Region}",
        "elasticbeanstalk-env-resources-${AWS::Region}",
        "elasticbeanstalk-platform-assets-${AWS::Region}",
    )
    return Statement(
        Sid="PlatformOfAws",
        Effect=Allow,
        Principal=Principal("*"),
        Action=[s3.GetObject],
        Resource=[Sub(f"arn:${{AWS::Partition}}:s3:::{bucket}/*") for bucket in buckets],
    )


def endpoint_for_answers() -> Statement:
    """Let functions and instances answer CloudFormation, through addresses that it signed itself.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cfn-vpce-bucketnames.html
    """
    # The region is part of the buckets' names, without its hyphens.
    buckets = ("cloudformation-custom-resource-response-*", "cloudformation-waitcondition-*")
    return Statement(
        Sid="AnswersToCloudFormation",
        Effect=Allow,
        Principal=Principal("*"),
        Action=[s3.PutObject],
        Resource=[Sub(f"arn:${{AWS::Partition}}:s3:::{bucket}/*") for bucket in buckets],
    )


def deliver_flow_logs(groups: Sequence[Arn]) -> Statement:
    """Write the VPC's flow log, and nothing else.

    https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-iam-role.html
    """
    return Statement(
        Sid="DeliverFlowLogs",
        Effect=Allow,
        Action=[logs.CreateLogStream, logs.DescribeLogStreams, logs.PutLogEvents],
        Resource=list(groups),
    )


def see_network() -> Statement:
    """See security groups and prefix lists; neither action knows resources."""
    return Statement(
        Sid="SeeGroupsAndPrefixLists",
        Effect=Allow,
        Action=[ec2.DescribeManagedPrefixLists, ec2.DescribeSecurityGroups],
        Resource=["*"],
    )


def encrypt_volumes() -> Statement:
    """Have new volumes encrypted, a setting of the account in the region; the action knows no resources."""
    return Statement(
        Sid="EncryptNewVolumes", Effect=Allow, Action=[ec2.EnableEbsEncryptionByDefault], Resource=["*"]
    )


def close_group(group: Arn) -> Statement:
    """Take rules away from this security group; none to add one."""
    return Statement(
        Sid="CloseTheDefaultGroup",
        Effect=Allow,
        Action=[ec2.RevokeSecurityGroupEgress, ec2.RevokeSecurityGroupIngress],
        Resource=[group],
    )
