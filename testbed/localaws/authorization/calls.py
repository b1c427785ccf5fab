"""A request to moto in IAM's terms: its action, the resources it touches, its condition keys.

Names of actions, resources and keys are those of
https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from moto.core.parse import PROTOCOL_PARSERS
from moto.core.request import determine_request_protocol
from moto.core.responses import BaseResponse
from moto.core.routing import get_service_router
from moto.core.utils import get_service_model

from .actions import ACTIONS, PREFIXES
from .policy import ContextValue
from .resources import account_of, key_arn, secret_arn, tags_of, vpc_arn

Params = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ServiceCall:
    """One API call as policies see it."""

    service: str
    """IAM's prefix: `cloudwatch`, although the signature has `monitoring`."""
    operation: str
    params: Params
    account: str
    region: str
    resource: str
    """The ARN that moto has already derived (S3's bucket or object, a role to assume), or `*`."""

    @property
    def action(self) -> str:
        renamed = ACTIONS.get(self.service, {}).get(self.operation, self.operation)
        if self.service == "s3" and "versionId" in self.params:
            renamed = renamed.replace("Object", "ObjectVersion", 1)
        return f"{self.service}:{renamed}"

    def arn(self, value: Any, kind: str = "") -> str:
        """Return *value* if it is an ARN, else the ARN of the *kind* of resource with that name."""
        text = str(value)
        prefix = f"arn:aws:{self.service}:{self.region}:{self.account}:{kind}"
        return text if text.startswith("arn:") else prefix + text

    def resources(self) -> tuple[str, ...]:
        """Return the ARNs, each of which the action must be allowed for; `*` if the action has none."""
        if self.resource != "*":
            return (self.resource,)
        derive = _RESOURCES.get(self.service)
        return tuple(one for one in (derive(self) if derive else ()) if one) or ("*",)

    def context(self, resource: str) -> dict[str, ContextValue]:
        """Return the condition keys of the request and of *resource*'s tags."""
        tags = tags_of(self.params.get("Tags") or self.params.get("tags"))
        found: dict[str, Any] = {
            "aws:RequestedRegion": self.region,
            "aws:ResourceAccount": account_of(resource),
            "aws:SecureTransport": "true",  # loopback counts as TLS
            "aws:SourceIp": "127.0.0.1",
            "aws:ViaAWSService": "false",
            "aws:PrincipalIsAWSService": "false",
            "aws:TagKeys": tuple(tags) or self.params.get("TagKeys"),
            **{f"aws:RequestTag/{key}": value for key, value in tags.items()},
            **(_CONTEXT[self.service](self) if self.service in _CONTEXT else {}),
        }
        for key, value in tags_of(resource).items():
            found[f"aws:ResourceTag/{key}"] = value
            if self.service == "secretsmanager":
                found[f"secretsmanager:ResourceTag/{key}"] = value
        return {key: _context_value(value) for key, value in found.items() if value not in (None, (), [])}


def describe_call(response: BaseResponse, resource: str) -> ServiceCall:
    """Return the call that *response* is about to answer; *resource* is the ARN that moto derived."""
    signed_for = re.search(r"/([a-z0-9-]+)/aws4_request", response.headers.get("Authorization", ""))
    service = signed_for[1] if signed_for else str(response.service_name)
    operation = str(response._get_action())
    params = {} if service == "s3" else _parameters(response, operation)
    if service == "s3":
        # moto guesses CreateBucket or ListBucket for operations that it has no permission for.
        routed = response._get_action_from_method_and_request_uri(response.normalized_request)
        operation = str(routed or operation)
        params = {key: value[0] for key, value in response.querystring.items()}
        resource = resource.replace(":::*", ":::") if resource.endswith(":::*") else resource
    return ServiceCall(
        PREFIXES.get(service, service), operation, params, response.current_account, response.region, resource
    )


def _parameters(response: BaseResponse, operation: str) -> Params:
    """Return the operation's parameters under the API's names, for every protocol."""
    request = response.normalized_request
    model = get_service_model(response.boto3_service_name)
    if operation not in model.operation_names:
        return {}
    path: dict[str, Any] = {}
    if model.protocol.startswith("rest"):
        _, path = get_service_router(response.boto3_service_name).match(request)
    parser = PROTOCOL_PARSERS[determine_request_protocol(model, request.content_type)]
    parsed = parser(model.operation_model(operation)).parse(
        {
            "method": request.method,
            "values": request.values,
            "headers": request.headers,
            "body": request.data,
            "url_path": request.path,
            "url_params": path,
        }
    )
    return {**path, **parsed}


def _context_value(value: Any) -> ContextValue:
    if isinstance(value, bool):
        return str(value).lower()
    return tuple(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _secretsmanager(call: ServiceCall) -> list[str]:
    params = call.params
    if call.operation == "BatchGetSecretValue":
        return ["*"]
    if "SecretId" in params:
        return [secret_arn(call.account, call.region, params["SecretId"])]
    return [call.arn(f"{params['Name']}-??????", "secret:")] if call.operation == "CreateSecret" else []


def _kms(call: ServiceCall) -> list[str]:
    aliases = [call.arn(call.params["AliasName"])] if "AliasName" in call.params else []
    key = call.params.get("KeyId") or call.params.get("TargetKeyId")
    return aliases + ([key_arn(call.account, call.region, key)] if key else [])


def _events(call: ServiceCall) -> list[str]:
    params = call.params
    if "Entries" in params:
        return [call.arn(entry.get("EventBusName") or "default", "event-bus/") for entry in params["Entries"]]
    bus = str(params.get("EventBusName") or "default").rpartition("/")[2]
    rule = params.get("Rule") or (params.get("Name") if call.operation.endswith("Rule") else None)
    if rule:
        return [call.arn(rule if bus == "default" else f"{bus}/{rule}", "rule/")]
    named = params.get("Name") if call.operation.endswith("EventBus") else params.get("EventBusName")
    return [call.arn(named, "event-bus/")] if named else [params.get("ResourceARN", "")]


def _sns(call: ServiceCall) -> list[str]:
    subscription = str(call.params.get("SubscriptionArn", "")).rpartition(":")[0]  # its topic's ARN
    known = call.params.get("TopicArn") or call.params.get("TargetArn") or call.params.get("ResourceArn")
    return [known or subscription or (call.arn(call.params["Name"]) if "Name" in call.params else "")]


def _sqs(call: ServiceCall) -> list[str]:
    queue = call.params.get("QueueUrl") or call.params.get("QueueName")
    return [call.arn(str(queue).rpartition("/")[2])] if queue else []


def _lambda(call: ServiceCall) -> list[str]:
    name = call.params.get("FunctionName")
    if not name:
        return []
    function = call.arn(str(name).removeprefix(f"{call.account}:function:"), "function:")
    qualifier = call.params.get("Qualifier")
    return [f"{function}:{qualifier}" if qualifier else function]


def _logs(call: ServiceCall) -> list[str]:
    group = call.params.get("logGroupName") or call.params.get("logGroupIdentifier")
    if not group:
        return []
    arn = call.arn(group, "log-group:").removesuffix(":*")
    return [f"{arn}:log-stream:{call.params.get('logStreamName', '')}"]


def _ssm(call: ServiceCall) -> list[str]:
    names = call.params.get("Names") or [call.params.get("Name") or call.params.get("Path")]
    arns = [call.arn(str(name).lstrip("/"), "parameter/") for name in names if name]
    # AWS's public parameters belong to no account.
    return [arn.replace(f":{call.account}:parameter/aws/", "::parameter/aws/") for arn in arns]


def _elasticbeanstalk(call: ServiceCall) -> list[str]:
    application = call.params.get("ApplicationName")
    if "EnvironmentName" in call.params:
        return [call.arn(f"{application or '*'}/{call.params['EnvironmentName']}", "environment/")]
    if "VersionLabel" in call.params:
        return [call.arn(f"{application}/{call.params['VersionLabel']}", "applicationversion/")]
    return [call.arn(application, "application/")] if application else []


def _ec2(call: ServiceCall) -> list[str]:
    named = _named(GroupId="security-group/", SubnetId="subnet/", InstanceId="instance/", VpcId="vpc/")(call)
    if call.operation in ("AttachVolume", "DetachVolume"):  # both must be allowed
        named.append(call.arn(call.params["VolumeId"], "volume/"))
    return named


def _route53(call: ServiceCall) -> list[str]:
    zone = call.params.get("HostedZoneId") or call.params.get("Id")
    return [f"arn:aws:route53:::hostedzone/{str(zone).rpartition('/')[2]}"] if zone else []


def _iam(call: ServiceCall) -> list[str]:
    """Return the role, policy or instance profile; attaching a policy to a role is done to the role."""
    for param, kind in _IAM_KINDS.items():
        if value := call.params.get(param):
            text = str(value)
            return [text if text.startswith("arn:") else f"arn:aws:iam::{call.account}:{kind}{text}"]
    return []


_IAM_KINDS = {
    "InstanceProfileName": "instance-profile/",
    "RoleName": "role/",
    "UserName": "user/",
    "GroupName": "group/",
    "PolicyArn": "policy/",
    "PolicyName": "policy/",
}


def _cloudformation(call: ServiceCall) -> list[str]:
    name = str(call.params.get("StackName") or "")
    return [name if name.startswith("arn:") else call.arn(f"{name}/*", "stack/")] if name else []


def _named(**kinds: str) -> Callable[[ServiceCall], list[str]]:
    """Return the resources of a service that names them by the first of these parameters."""
    return lambda call: next(
        ([call.arn(call.params[param], kind)] for param, kind in kinds.items() if call.params.get(param)), []
    )


_RESOURCES: dict[str, Callable[[ServiceCall], list[str]]] = {
    "secretsmanager": _secretsmanager,
    "kms": _kms,
    "events": _events,
    "sns": _sns,
    "sqs": _sqs,
    "lambda": _lambda,
    "logs": _logs,
    "cloudformation": _cloudformation,
    "cloudwatch": _named(AlarmName="alarm:"),
    "ec2": _ec2,
    "iam": _iam,
    "route53": _route53,
    "ssm": _ssm,
    "elasticbeanstalk": _elasticbeanstalk,
    "rds": _named(
        DBInstanceIdentifier="db:",
        DBClusterIdentifier="cluster:",
        DBSubnetGroupName="subgrp:",
        DBParameterGroupName="pg:",
        DBSnapshotIdentifier="snapshot:",
        OptionGroupName="og:",
        SubscriptionName="es:",
        ResourceName="",
    ),
}


def _secretsmanager_context(call: ServiceCall) -> dict[str, Any]:
    params = call.params
    reading = call.operation == "GetSecretValue" and "VersionId" not in params
    regions = [replica["Region"] for replica in params.get("AddReplicaRegions", [])]
    named = {
        f"secretsmanager:{key}": params.get(key)
        for key in (
            *("BlockPublicPolicy", "Description", "ForceDeleteWithoutRecovery", "KmsKeyId", "Name"),
            *("RecoveryWindowInDays", "RotateImmediately", "RotationLambdaARN", "SecretId", "VersionId"),
            *("ForceOverwriteReplicaSecret", "VersionStage"),
        )
    }
    key = params.get("KmsKeyId")
    return {
        **named,
        "secretsmanager:KmsKeyArn": key_arn(call.account, call.region, key) if key else None,
        "secretsmanager:AddReplicaRegions": regions,
        "secretsmanager:VersionStage": params.get("VersionStage") or ("AWSCURRENT" if reading else None),
    }


def _events_context(call: ServiceCall) -> dict[str, Any]:
    entries = call.params.get("Entries", [])
    return {
        "events:source": [entry.get("Source", "") for entry in entries],
        "events:detail-type": [entry.get("DetailType", "") for entry in entries],
    }


def _route53_context(call: ServiceCall) -> dict[str, Any]:
    changes = (call.params.get("ChangeBatch") or {}).get("Changes", [])
    records = [change["ResourceRecordSet"] for change in changes]
    prefix = "route53:ChangeResourceRecordSets"
    return {
        f"{prefix}Actions": [change["Action"] for change in changes],
        f"{prefix}NormalizedRecordNames": [record["Name"].lower().rstrip(".") for record in records],
        f"{prefix}RecordTypes": [record["Type"] for record in records],
    }


_CONTEXT: dict[str, Callable[[ServiceCall], dict[str, Any]]] = {
    "secretsmanager": _secretsmanager_context,
    "events": _events_context,
    "route53": _route53_context,
    "cloudwatch": lambda call: {"cloudwatch:namespace": call.params.get("Namespace")},
    "ec2": lambda call: {"ec2:Vpc": vpc_arn(call.account, call.region, call.params.get("GroupId"))},
    "sns": lambda call: {
        "sns:Protocol": call.params.get("Protocol"),
        "sns:Endpoint": call.params.get("Endpoint"),
        "aws:SourceOwner": call.account,  # a topic's default policy requires it
    },
    "s3": lambda call: {
        "s3:prefix": call.params.get("prefix"),
        "s3:delimiter": call.params.get("delimiter"),
        "s3:max-keys": call.params.get("max-keys"),
    },
    "sts": lambda call: {
        "sts:ExternalId": call.params.get("ExternalId"),
        "sts:RoleSessionName": call.params.get("RoleSessionName"),
        "sts:IdentityTokenAudience": call.params.get("Audience"),
        "sts:DurationSeconds": call.params.get("DurationSeconds"),
        "sts:SigningAlgorithm": call.params.get("SigningAlgorithm"),
    },
    "kms": lambda call: {
        "kms:CallerAccount": call.account,
        "kms:EncryptionContextKeys": tuple(call.params.get("EncryptionContext") or ()),
        **{
            f"kms:EncryptionContext:{key}": value
            for key, value in (call.params.get("EncryptionContext") or {}).items()
        },
    },
}
