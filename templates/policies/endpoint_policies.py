"""Who can use the VPC's endpoints, and for what."""

from awacs import s3
from awacs.aws import (
    Action,
    Allow,
    Condition,
    Principal,
    Statement,
    StringEquals,
)
from troposphere import Ref

from templates.policies import arns


def allow_account() -> Statement:
    """Let principals of the account use the endpoint, for what their own policies allow."""
    return Statement(
        Sid="AllowAccountPrincipals",
        Effect=Allow,
        Principal=Principal("*"),
        Action=[Action("*")],
        Resource=["*"],
        Condition=Condition([StringEquals({"aws:PrincipalAccount": Ref("AWS::AccountId")})]),
    )


def allow_aws_downloads() -> Statement:
    """Let any principal download what AWS publishes for instances: packages, agents, Beanstalk's platform.

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
        Sid="AllowAwsDownloads",
        Effect=Allow,
        Principal=Principal("*"),
        Action=[s3.GetObject],
        Resource=[arns.objects(bucket) for bucket in buckets],
    )


def allow_cloudformation_responses() -> Statement:
    """Let functions and instances respond to CloudFormation, at URLs that it has signed.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cfn-vpce-bucketnames.html
    """
    # The region is part of the buckets' names, without its hyphens.
    buckets = ("cloudformation-custom-resource-response-*", "cloudformation-waitcondition-*")
    return Statement(
        Sid="AllowCloudFormationResponses",
        Effect=Allow,
        Principal=Principal("*"),
        Action=[s3.PutObject],
        Resource=[arns.objects(bucket) for bucket in buckets],
    )
