"""Deletion protection of a production deployment's database and load balancer, and how it is removed."""

from __future__ import annotations

from collections.abc import Iterable

from ..aws import Aws
from ..cloudformation.stack import StackResource
from ..errors import Refused
from ..ui import Ui
from .resource_types import DATABASE, LOAD_BALANCER

ATTRIBUTE = "deletion_protection.enabled"


def remove_protection(aws: Aws, ui: Ui, resources: Iterable[StackResource]) -> None:
    """Remove deletion protection from the database and the load balancer among *resources*, once confirmed.

    CloudFormation doesn't: it would fail to delete the stack. A database leaves its final snapshot.

    Raises:
        Refused: it was not confirmed; the protection is unchanged
    """
    for resource in resources:
        if not resource.physical_id or not _is_protected(aws, resource):
            continue
        if not ui.confirm(f"{resource.physical_id} is protected from deletion. Delete it?", loses_data=True):
            raise Refused(f"{resource.physical_id} is protected from deletion and was not changed")
        if resource.type == DATABASE:
            aws.client("rds").modify_db_instance(
                DBInstanceIdentifier=resource.physical_id, DeletionProtection=False, ApplyImmediately=True
            )
        else:
            aws.client("elbv2").modify_load_balancer_attributes(
                LoadBalancerArn=resource.physical_id, Attributes=[{"Key": ATTRIBUTE, "Value": "false"}]
            )


def _is_protected(aws: Aws, resource: StackResource) -> bool:
    if resource.type == DATABASE:
        # With a filter, a deleted instance is an empty list instead of an error.
        found = aws.client("rds").describe_db_instances(
            Filters=[{"Name": "db-instance-id", "Values": [resource.physical_id]}]
        )["DBInstances"]
        return any(instance["DeletionProtection"] for instance in found)
    if resource.type == LOAD_BALANCER:
        client = aws.client("elbv2")
        try:
            attributes = client.describe_load_balancer_attributes(LoadBalancerArn=resource.physical_id)
        except client.exceptions.LoadBalancerNotFoundException:
            return False
        return any(
            attribute["Key"] == ATTRIBUTE and attribute["Value"] == "true"
            for attribute in attributes["Attributes"]
        )
    return False
