"""The policy of whoever runs `beanvault deploy` and `destroy`: the role of a pipeline, or a person's.

CloudFormation creates every resource with the caller's permissions, and Beanstalk publishes its test
notification with them. What Beanstalk itself creates needs AWS's managed policy `BEANSTALK_POLICY` as well.
Where resources have names, they are the deployment's; elsewhere the region is the limit.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/control-access-with-iam.html
https://docs.aws.amazon.com/elasticbeanstalk/latest/dg/AWSHowTo.iam.managed-policies.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from templates.deployment import Deployment
from templates.deployment_sections import PeeredVault

BEANSTALK_POLICY = "AdministratorAccess-AWSElasticBeanstalk"
"""AWS's managed policy for what Beanstalk creates: its own stack, groups of instances, target groups."""

_WITHOUT_NAME: Mapping[str, str] = {
    "acm": "Add* Delete* Describe* Get* Import* List* Remove* Request* Update*",
    "autoscaling": "Create* Delete* Describe* Put* Resume* Set* Suspend* Terminate* Update*",
    "backup": "Create* Delete* Describe* Get* List* Put* Tag* Untag* Update*",
    "backup-storage": "Mount*",
    "cloudformation": "Describe* Get* List*",
    "cloudwatch": "Delete* Describe* Get* List* Put* Tag* Untag*",
    "ec2": "Accept* Allocate* Associate* Attach* Authorize* Create* Delete* Describe* Detach* Disassociate* "
    "Get* Modify* Release* Replace* Revoke* RunInstances TerminateInstances Update*",
    "elasticloadbalancing": "Add* Create* Delete* Describe* Modify* Remove* Set*",
    "events": "List*",
    "kms": "CreateKey List*",
    "lambda": "Get* List*",
    "logs": "*LogDelivery Describe* List* PutResourcePolicy",
    "rds": "AddTags* *DBProxy *DBProxyTarget* Describe* List* RemoveTags*",
    "secretsmanager": "GetRandomPassword List*",
    "servicequotas": "Get*",
    "sns": "Get* List* Unsubscribe",
    "wafv2": "Associate* Create* Delete* Disassociate* Get* List* Put* Tag* Untag* Update*",
}
"""What is done to resources that have no name of ours, or to none."""

_KEY_ACTIONS = (
    "CancelKeyDeletion CreateAlias DeleteAlias Describe* Disable* Enable* Get* PutKeyPolicy "
    "ScheduleKeyDeletion Tag* Untag* Update*"
)
_ROLE_ACTIONS = "Add* Attach* Create* Delete* Detach* Get* List* Put* Remove* Tag* Untag* Update*"
# Not GetSecretValue: who deploys reads no secret.
_SECRET_ACTIONS = (
    "Create* Delete* DescribeSecret GetResourcePolicy Put* Remove* Replicate* Tag* Untag* Update*"
)
_PASSED_TO = ("backup", "ec2", "elasticbeanstalk", "lambda", "monitoring.rds", "rds", "vpc-flow-logs")
_LINKED = (
    "autoscaling",
    "backup",
    "elasticbeanstalk",
    "elasticloadbalancing",
    "rds",
    "transitgateway",
    "wafv2",
)
_THROUGH = ("backup", "ec2", "lambda", "logs", "rds", "s3", "secretsmanager", "sns", "sqs")


def deployer_policy(deployment: Deployment) -> dict[str, Any]:
    """Return the policy document. It names no account: the policy of an identity is for its own."""
    name, region = deployment.name, deployment.region
    here = {"StringEquals": {"aws:RequestedRegion": region}}

    def arn(service: str, resource: str) -> str:
        return f"arn:aws:{service}:{region}:*:{resource}"

    def iam(kind: str) -> str:
        return f"arn:aws:iam::*:{kind}/{name}-*"

    buckets = [
        f"arn:aws:s3:::{bucket}{objects}"
        for bucket in (f"elasticbeanstalk-{region}-*", f"{name}-*")
        for objects in ("", "/*")
    ]
    named = {
        "cloudformation": [f"stack/{name}-*"],
        "events": [f"event-bus/{name}-*", f"rule/{name}-*"],
        "lambda": [f"function:{name}-*"],
        "logs": [f"log-group:*{name}-*", f"log-group:/beanvault/{name}/*"],
        "rds": [f"{kind}:{name}-*" for kind in ("db", "es", "og", "pg", "snapshot", "subgrp")],
        "sns": [f"{name}-*"],
        "sqs": [f"{name}-*"],
        "ssm": [f"parameter/beanvault/{name}/*"],
    }
    peer = deployment.vault.role_arn if isinstance(deployment.vault, PeeredVault) else None
    # CloudFormation accepts a peering in another account as this role, assumed with the deployer's rights.
    accept_peering = [_allow("AcceptPeering", ["sts:AssumeRole"], [peer])] if peer else []
    return {
        "Version": "2012-10-17",
        "Statement": [
            _allow(
                "ManageNamedResources",
                [f"{service}:*" for service in named],
                [arn(service, resource) for service, resources in named.items() for resource in resources],
            ),
            _allow("ManageBuckets", ["s3:*"], buckets),
            _allow(
                "ManageResourcesWithoutName",
                [action for service, names in _WITHOUT_NAME.items() for action in _actions(service, names)],
                ["*"],
                here,
            ),
            _allow(
                "ReadImages",
                ["ssm:GetParameter*"],
                [f"arn:aws:ssm:{region}::parameter/aws/*"],
            ),
            _allow(
                "ManageZones",
                _actions("route53", "Associate* Change* Create* Delete* Disassociate* Get* List* Update*"),
                ["*"],
            ),
            _allow(
                "ManageSecrets",
                _actions("secretsmanager", _SECRET_ACTIONS),
                [
                    arn("secretsmanager", f"secret:{pattern}")
                    for pattern in (f"{name}-*", f"{deployment.prefix}/*", "rds!db-*")
                ],
            ),
            _allow(
                "ManageKeys",
                _actions("kms", _KEY_ACTIONS),
                [arn("kms", "key/*"), arn("kms", f"alias/{name}-*")],
            ),
            _allow(
                "EncryptThroughServices",
                _actions("kms", "CreateGrant Decrypt Encrypt GenerateDataKey* ReEncrypt*"),
                [arn("kms", "key/*")],
                {
                    "StringEquals": {
                        "kms:ViaService": [f"{service}.{region}.amazonaws.com" for service in _THROUGH]
                    }
                },
            ),
            _allow(
                "ManageRoles",
                _actions("iam", _ROLE_ACTIONS),
                [iam("role"), iam("policy"), iam("instance-profile")],
            ),
            _allow(
                "PassRoles",
                ["iam:PassRole"],
                [iam("role")],
                {
                    "StringLike": {
                        "iam:PassedToService": [f"{service}.amazonaws.com*" for service in _PASSED_TO]
                    }
                },
            ),
            *accept_peering,
            _allow(
                "CreateServiceLinkedRoles",
                ["iam:CreateServiceLinkedRole"],
                ["*"],
                {"StringEquals": {"iam:AWSServiceName": [f"{service}.amazonaws.com" for service in _LINKED]}},
            ),
        ],
    }


def _actions(service: str, names: str) -> list[str]:
    return [f"{service}:{name}" for name in names.split()]


def _allow(
    sid: str, actions: Sequence[str], resources: Sequence[str], condition: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    statement = {"Sid": sid, "Effect": "Allow", "Action": list(actions), "Resource": list(resources)}
    return statement | ({"Condition": dict(condition)} if condition else {})
