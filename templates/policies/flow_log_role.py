"""The permission of the role that delivers the VPC's flow log."""

from collections.abc import Sequence

from awacs import logs
from awacs.aws import Allow, Statement

from templates.policies import Arn


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
