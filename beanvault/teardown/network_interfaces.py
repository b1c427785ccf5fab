"""The network interfaces of deleted functions, which block the deletion of their subnets and groups.

Lambda releases them 20 to 40 minutes after the function is deleted, and doesn't always delete them:
https://github.com/go-to-k/delstack/issues/637, https://github.com/aws/aws-cdk/issues/6701
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from ..aws import Aws, code
from ..polling import PollingClock, attempts
from ..ui import Ui

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import NetworkInterfaceTypeDef

RELEASE_SECONDS = 45 * 60
LONGEST_PAUSE_SECONDS = 15
NAMED = "AWS Lambda VPC ENI-"
"""How Lambda describes its interfaces; the function's name follows."""


def delete_interfaces(
    aws: Aws, ui: Ui, deployment: str, groups: Sequence[str], clock: PollingClock | None = None
) -> None:
    """Delete the interfaces of the deployment's functions in the security *groups*, once they are released.

    After 45 minutes it returns as well: CloudFormation then says which groups and subnets are in use.
    """
    if not groups:
        return
    for passed in attempts(clock or PollingClock(), RELEASE_SECONDS, longest=LONGEST_PAUSE_SECONDS):
        interfaces = _of_functions(aws, deployment, groups)
        in_use = [each for each in interfaces if each["Status"] != "available"]
        for each in interfaces:
            if each not in in_use:
                _delete(aws, each["NetworkInterfaceId"])
        if not in_use:
            return
        if not passed:
            ui.step(
                f"waiting until Lambda releases {len(in_use)} network interfaces of deleted functions; AWS "
                "takes up to 40 minutes"
            )


def _of_functions(aws: Aws, deployment: str, groups: Sequence[str]) -> list[NetworkInterfaceTypeDef]:
    pages = aws.client("ec2").get_paginator("describe_network_interfaces")
    found = pages.paginate(Filters=[{"Name": "group-id", "Values": list(groups)}])
    prefix = f"{NAMED}{deployment}-"
    return [
        each
        for page in found
        for each in page["NetworkInterfaces"]
        if each.get("Description", "").startswith(prefix)
    ]


def _delete(aws: Aws, interface: str) -> None:
    try:
        aws.client("ec2").delete_network_interface(NetworkInterfaceId=interface)
    except ClientError as error:
        if code(error) != "InvalidNetworkInterfaceID.NotFound":  # Lambda may be faster
            raise
