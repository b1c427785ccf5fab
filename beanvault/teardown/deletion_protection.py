"""What guards a production deployment's resources against being deleted, and taking that away."""

from __future__ import annotations

from collections.abc import Iterable

from ..aws import Aws
from ..cloudformation.stack import StackResource
from ..errors import Refused
from ..ui import Ui

BALANCER = "AWS::ElasticLoadBalancingV2::LoadBalancer"
DATABASE = "AWS::RDS::DBInstance"
SWITCH = "deletion_protection.enabled"


def lift(aws: Aws, ui: Ui, resources: Iterable[StackResource]) -> None:
    """Take deletion protection off the database and the load balancer among *resources*, if that is agreed.

    CloudFormation doesn't do it: it fails to delete the stack. A database leaves its final snapshot.

    Raises:
        Refused: nobody agreed; it is protected as before
    """
    for resource in resources:
        if not resource.physical_id or not _protected(aws, resource):
            continue
        if not ui.confirm(f"{resource.physical_id} is protected from deletion. Delete it?", loses=True):
            raise Refused(f"{resource.physical_id} is protected from deletion and was left as it is")
        if resource.type == DATABASE:
            aws.client("rds").modify_db_instance(
                DBInstanceIdentifier=resource.physical_id, DeletionProtection=False, ApplyImmediately=True
            )
        else:
            aws.client("elbv2").modify_load_balancer_attributes(
                LoadBalancerArn=resource.physical_id, Attributes=[{"Key": SWITCH, "Value": "false"}]
            )


def _protected(aws: Aws, resource: StackResource) -> bool:
    if resource.type == DATABASE:
        # By filter: one that is gone is no error then.
        where = [{"Name": "db-instance-id", "Values": [resource.physical_id]}]
        found = aws.client("rds").describe_db_instances(Filters=where)["DBInstances"]
        return any(instance["DeletionProtection"] for instance in found)
    if resource.type == BALANCER:
        client = aws.client("elbv2")
        try:
            answer = client.describe_load_balancer_attributes(LoadBalancerArn=resource.physical_id)
        except client.exceptions.LoadBalancerNotFoundException:
            return False
        return any(entry["Key"] == SWITCH and entry["Value"] == "true" for entry in answer["Attributes"])
    return False
