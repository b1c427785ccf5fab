"""Closes a VPC's default security group and finds S3's prefix list, which CloudFormation has no property for.

Runs inline in Lambda as a custom resource; properties: `VpcId`, `DefaultSecurityGroup`. Running it again
changes nothing. Deletion reverts nothing: the group is deleted with its VPC. It changes only what belongs to
the VPC, never a setting of the region or the account, which are also others'.
"""

import json
import os
import time
import urllib.request
from typing import Any

import boto3


def close(ec2: Any, group_id: str) -> None:
    """Revoke all rules of the group."""
    group = ec2.describe_security_groups(GroupIds=[group_id])["SecurityGroups"][0]
    if group["IpPermissions"]:
        ec2.revoke_security_group_ingress(GroupId=group_id, IpPermissions=group["IpPermissions"])
    if group["IpPermissionsEgress"]:
        ec2.revoke_security_group_egress(GroupId=group_id, IpPermissions=group["IpPermissionsEgress"])


def s3_prefix_list(ec2: Any) -> str:
    """Return the id of the list of S3's addresses in this region."""
    name = f"com.amazonaws.{os.environ['AWS_REGION']}.s3"
    lists = ec2.describe_managed_prefix_lists(Filters=[{"Name": "prefix-list-name", "Values": [name]}])
    if not lists["PrefixLists"]:
        raise LookupError(f"this region has no prefix list {name}")
    return str(lists["PrefixLists"][0]["PrefixListId"])


def respond(event: dict[str, Any], status: str, reason: str, data: dict[str, str]) -> None:
    """Send the result to CloudFormation."""
    body = {name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")}
    group_id = event["ResourceProperties"]["DefaultSecurityGroup"]
    body.update(Status=status, Reason=reason, PhysicalResourceId=f"{group_id}-closed", Data=data)
    # The URL is signed without a content type, as AWS's cfn-response sends it; urllib would add one:
    # https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cfn-lambda-function-code-cfnresponsemodule.html
    request = urllib.request.Request(  # noqa: S310 - CloudFormation's own URL
        event["ResponseURL"], json.dumps(body).encode(), {"Content-Type": ""}, method="PUT"
    )
    for pause in (1, 2, 4, None):  # Lambda doesn't run this function again if the answer is lost
        try:
            urllib.request.urlopen(request, timeout=10).close()  # noqa: S310 - the same
        except OSError:
            if pause is None:
                raise
            time.sleep(pause)
        else:
            return


def handler(event: dict[str, Any], _context: object) -> None:
    """Respond to CloudFormation whatever happens: without a response it waits for its time-out."""
    try:
        data: dict[str, str] = {}
        if event["RequestType"] != "Delete":
            ec2 = boto3.client("ec2")
            close(ec2, event["ResourceProperties"]["DefaultSecurityGroup"])
            data["S3PrefixList"] = s3_prefix_list(ec2)
    except Exception as error:
        respond(event, "FAILED", f"the VPC was not set up: {type(error).__name__}: {error}", {})
        raise
    respond(event, "SUCCESS", "closed", data)
