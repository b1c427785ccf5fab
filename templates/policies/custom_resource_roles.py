"""Permissions of the inline functions behind custom resources (`templates/functions/`)."""

from awacs import ec2, s3
from awacs.aws import Allow, Condition, Statement, StringEquals
from troposphere import Ref

from templates.policies import Arn


def describe_network() -> Statement:
    """Describe security groups and prefix lists; neither action supports resources."""
    return Statement(
        Sid="DescribeGroupsAndPrefixLists",
        Effect=Allow,
        Action=[ec2.DescribeManagedPrefixLists, ec2.DescribeSecurityGroups],
        Resource=["*"],
    )


def revoke_rules(group: Arn) -> Statement:
    """Revoke rules of this security group; adding one is not allowed."""
    return Statement(
        Sid="RevokeDefaultGroupRules",
        Effect=Allow,
        Action=[ec2.RevokeSecurityGroupEgress, ec2.RevokeSecurityGroupIngress],
        Resource=[group],
    )


def harden_bucket(bucket: Arn) -> Statement:
    """Add to this bucket's policy and lifecycle rules, not to its objects or its other settings."""
    return Statement(
        Sid="HardenBucket",
        Effect=Allow,
        Action=[
            s3.DeleteBucketPolicy,
            s3.GetBucketPolicy,
            s3.GetLifecycleConfiguration,
            s3.PutBucketPolicy,
            s3.PutLifecycleConfiguration,
        ],
        Resource=[bucket],
        Condition=Condition([StringEquals({"aws:ResourceAccount": Ref("AWS::AccountId")})]),
    )
