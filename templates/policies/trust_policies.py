"""Who can assume a role: always one AWS service."""

from awacs import sts
from awacs.aws import Allow, Condition, Principal, Statement, StringEquals


def assumed_by(service: str) -> Statement:
    """Let one AWS service assume the role."""
    return Statement(
        Sid="AllowServiceToAssumeRole",
        Effect=Allow,
        Action=[sts.AssumeRole],
        Principal=Principal("Service", service),
    )


def assumed_by_beanstalk() -> Statement:
    """Let Beanstalk assume the service role, with the external id that Beanstalk sends.

    https://docs.aws.amazon.com/elasticbeanstalk/latest/dg/iam-servicerole.html
    """
    return Statement(
        Sid="AllowBeanstalkToAssumeRole",
        Effect=Allow,
        Action=[sts.AssumeRole],
        Principal=Principal("Service", "elasticbeanstalk.amazonaws.com"),
        Condition=Condition([StringEquals({"sts:ExternalId": "elasticbeanstalk"})]),
    )
