"""The network interfaces of functions in a VPC, which stay after the function is deleted.

Lambda releases them some 20 to 40 minutes later and then deletes them, or not:
https://github.com/go-to-k/delstack/issues/637, https://github.com/binxio/cfn-postgresql-user-provider/issues/9
and https://github.com/aws/aws-cdk/issues/6701 report interfaces that stayed as *available*. CloudFormation is
said to wait for them (https://github.com/aws-cloudformation/cloudformation-coverage-roadmap/issues/392). As
the sources disagree, nothing waits here, and the interfaces stay.
"""

from __future__ import annotations

import threading
import uuid
from typing import Any

from moto.awslambda.models import LambdaFunction
from moto.ec2.models import ec2_backends

SECONDS = 3.0
"""For AWS's 20 minutes or more."""


def linger(function: LambdaFunction) -> None:
    """Leave the interfaces of a function that was just deleted, one a subnet, and release them later."""
    placed: dict[str, Any] = function.vpc_config or {}
    backend = ec2_backends[function.account_id][function.region]
    for subnet in placed.get("SubnetIds") or ():
        name = f"AWS Lambda VPC ENI-{function.function_name}-{uuid.uuid4()}"
        interface = backend.create_network_interface(
            subnet, [], group_ids=placed.get("SecurityGroupIds") or [], description=name
        )
        interface.interface_type, interface.status = "lambda", "in-use"
        timer = threading.Timer(SECONDS, setattr, (interface, "status", "available"))
        timer.daemon = True
        timer.start()
