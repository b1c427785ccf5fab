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

    All requests for S3 leave the VPC by the gateway endpoint, so what isn't here can't be downloaded:
    https://docs.aws.amazon.com/elasticbeanstalk/latest/dg/vpc-vpce.policy.html,
    https://docs.aws.amazon.com/linux/al2023/ug/s3-endpoints.html,
    https://docs.aws.amazon.com/systems-manager/latest/userguide/ssm-agent-minimum-s3-permissions.html
    """
    # In newer regions Beanstalk's buckets have a suffix of eight characters, such as
    # elasticbeanstalk-platform-assets-me-central-1-f08b818c (the same page).
    beanstalk = [
        f"elasticbeanstalk-{kind}-${{AWS::Region}}{suffix}"
        for kind in ("env-resources", "platform-assets")
        for suffix in ("", "-????????")
    ]
    buckets = (
        "al2023-repos-${AWS::Region}-de612dc2",
        "amazon-ssm-${AWS::Region}",
        "amazon-ssm-packages-${AWS::Region}",
        "aws-ssm-${AWS::Region}",
        "elasticbeanstalk-${AWS::Region}",
        "elasticbeanstalk-samples-${AWS::Region}",
        *beanstalk,
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
