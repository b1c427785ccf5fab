"""Whether the way to Vault can be made without another account's help: asked before anything is created."""

from __future__ import annotations

from botocore.exceptions import ClientError

from templates.deployment import Deployment
from templates.deployment_sections import TransitVault

from ..aws import Aws, code
from ..errors import Refused


def check_way_to_vault(deployment: Deployment, aws: Aws) -> str:
    """Return what was found of the way to Vault; nothing where the deployment makes the whole way.

    Raises:
        Refused: the transit gateway is not there, or its owner would have to accept the attachment first
    """
    if not isinstance(deployment.vault, TransitVault):
        return ""
    gateway_id = deployment.vault.transit_gateway_id
    ec2 = aws.client("ec2")
    try:
        (gateway,) = ec2.describe_transit_gateways(TransitGatewayIds=[gateway_id])["TransitGateways"]
    except ClientError as error:
        if code(error) not in ("InvalidTransitGatewayID.NotFound", "InvalidTransitGatewayID.Malformed"):
            raise
        raise Refused(
            f"the transit gateway {gateway_id} is not visible in {aws.account()}, {aws.region}",
            "have its owner share it by AWS RAM and accept the share, or correct [vault] transit_gateway_id",
        ) from None
    if gateway["State"] != "available":
        raise Refused(
            f"the transit gateway {gateway_id} is {gateway['State']}",
            "wait until it is available, then deploy",
        )
    owner = gateway["OwnerId"]
    if owner == aws.account():
        return f"the transit gateway {gateway_id} is this account's"
    if gateway["Options"].get("AutoAcceptSharedAttachments") == "enable":
        return f"the transit gateway {gateway_id} of account {owner} accepts attachments by itself"
    if _attached(deployment, aws, gateway_id):
        return f"the transit gateway {gateway_id} of account {owner} has accepted the attachment"
    # Its routes are refused until it is accepted, and CloudFormation doesn't wait for that.
    raise Refused(
        f"the transit gateway {gateway_id} belongs to account {owner}, which would have to accept the "
        "attachment while the network layer is being created",
        f"in account {owner}: aws ec2 modify-transit-gateway --transit-gateway-id {gateway_id} "
        f"--options AutoAcceptSharedAttachments=enable --region {aws.region} (it can be disabled again after "
        "the deployment)",
    )


def _attached(deployment: Deployment, aws: Aws, gateway_id: str) -> bool:
    """Whether the deployment's attachment is accepted already."""
    found = aws.client("ec2").describe_transit_gateway_vpc_attachments(
        Filters=[
            {"Name": "transit-gateway-id", "Values": [gateway_id]},
            {"Name": "state", "Values": ["available", "modifying"]},
        ]
    )
    ours = {"Key": "beanvault:deployment", "Value": deployment.name}
    return any(ours in each.get("Tags", ()) for each in found["TransitGatewayVpcAttachments"])
