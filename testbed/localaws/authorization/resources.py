"""What moto's backends know about a resource: its ARN, tags, policy and key."""

from __future__ import annotations

import json
from typing import Any

from moto.awslambda.models import lambda_backends
from moto.core.resource_tagging import iter_taggable_backends
from moto.ec2.models import ec2_backends
from moto.events.models import events_backends
from moto.iam.models import iam_backends
from moto.kms.models import kms_backends
from moto.s3.models import s3_backends
from moto.secretsmanager.models import secretsmanager_backends
from moto.sns.models import sns_backends
from moto.sqs.models import sqs_backends

from .policy import Document, parse


def find_secret(account: str, region: str, secret_id: str) -> Any | None:
    return secretsmanager_backends[account][region].secrets.get(secret_id)


def version_keys(secret: Any, version_id: str | None, stage: str | None) -> tuple[str, ...]:
    """Return the keys that can decrypt a version, each as it was given; the secret's own first.

    A version keeps the key it was written with, and gets the secret's new key only where the caller could
    re-encrypt it: https://docs.aws.amazon.com/secretsmanager/latest/userguide/manage_update-encryption-key.html
    """
    labels = {
        label: one for one, version in secret.versions.items() for label in version["version_stages"] or ()
    }
    version = version_id or labels.get(stage or "AWSCURRENT")
    own = getattr(secret, "kms_key_id", None) or ""  # a replica's key is AWS's own here
    keys = getattr(secret, "localaws_keys", {}).get(version, {own})
    return tuple(sorted(keys, key=lambda key: key != own))


def secret_arn(account: str, region: str, secret_id: str) -> str:
    """Return the ARN of a secret, given its name or ARN; for a missing secret, the ARN it would have."""
    secret = find_secret(account, region, secret_id)
    if secret:
        return str(secret.arn)
    known = secret_id.startswith("arn:")
    return secret_id if known else f"arn:aws:secretsmanager:{region}:{account}:secret:{secret_id}-??????"


def find_key(account: str, region: str, key_id: str) -> Any | None:
    """Return a KMS key, given its id, ARN, alias or alias ARN."""
    backend = kms_backends[account][region]
    if "alias/" in key_id:
        key_id = backend.get_key_id_from_alias(backend.get_alias_name(key_id)) or ""
    return backend.keys.get(backend.get_key_id(key_id))


def find_bucket(arn: str) -> Any | None:
    """Return a bucket, given its ARN or an object's, whoever owns it."""
    _, partition, _, _, _, rest = arn.split(":", 5)
    name = rest.partition("/")[0]
    owners = (backends[partition] for backends in s3_backends.values() if partition in backends)
    return next((owner.buckets[name] for owner in owners if name in owner.buckets), None)


def key_arn(account: str, region: str, key_id: str) -> str:
    key = find_key(account, region, key_id)
    if key:
        return str(key.arn)
    return key_id if key_id.startswith("arn:") else f"arn:aws:kms:{region}:{account}:key/{key_id}"


def vpc_arn(account: str, region: str, group_id: str | None) -> str | None:
    """Return the VPC that a security group belongs to."""
    group = ec2_backends[account][region].get_security_group_from_id(group_id) if group_id else None
    return f"arn:aws:ec2:{region}:{account}:vpc/{group.vpc_id}" if group and group.vpc_id else None


def account_of(arn: str) -> str | None:
    """Return the account that owns a resource; a bucket's ARN has none, so its owner is looked up."""
    if arn.count(":") < 5:
        return None
    _, partition, service, _, account, rest = arn.split(":", 5)
    if service != "s3":
        return account or None
    name = rest.partition("/")[0]
    owners = (owner for owner, backends in s3_backends.items() if partition in backends)
    return next((owner for owner in owners if name in s3_backends[owner][partition].buckets), None)


def tags_of(source: Any) -> dict[str, str]:
    """Return tags as a mapping, given an ARN or tags in any service's shape."""
    if isinstance(source, str):
        return _resource_tags(source) if source.count(":") >= 5 else {}
    if isinstance(source, dict):
        return {str(key): str(value) for key, value in source.items()}
    return {
        str(tag.get("Key", tag.get("TagKey"))): str(tag.get("Value", tag.get("TagValue", "")))
        for tag in source or ()
    }


def _resource_tags(arn: str) -> dict[str, str]:
    _, _, service, region, account, _ = arn.split(":", 5)
    if service == "secretsmanager":  # the general code below would iterate over all secrets on each call
        secret = find_secret(account, region, arn)
        return tags_of(secret.tags) if secret else {}
    if not account:
        return {}
    for backend in iter_taggable_backends(account, region):
        if backend.owns_arn(arn):
            return next((one.tags for one in backend.iter_tagged_resources() if one.arn == arn), {})
    return {}


def resource_policy(arn: str) -> Document | None:
    """Return the resource's own policy, if it has one."""
    if arn.count(":") < 5:
        return None
    _, partition, service, region, account, rest = arn.split(":", 5)
    if service == "s3":
        bucket = find_bucket(arn)
        return parse(_text(bucket.policy)) if bucket and bucket.policy else None
    name = rest.rpartition("/")[2].rpartition(":")[2]
    text: Any = None
    if service == "secretsmanager":
        text = getattr(find_secret(account, region, arn), "policy", None)
    elif service == "kms":
        text = getattr(find_key(account, region, arn), "policy", None)
    elif service == "sns":
        text = getattr(sns_backends[account][region].topics.get(arn), "policy", None)
    elif service == "sqs":
        text = getattr(sqs_backends[account][region].queues.get(name), "policy", None)
    elif service == "events" and rest.startswith("event-bus/"):
        text = getattr(events_backends[account][region].event_buses.get(name), "policy", None)
    elif service == "iam" and rest.startswith("role/"):
        roles = iam_backends[account][partition].get_roles()
        text = next((role.assume_role_policy_document for role in roles if role.arn == arn), None)
    elif service == "lambda":
        text = _function_policy(account, region, arn)
    return parse(_text(text)) if text else None


def _function_policy(account: str, region: str, arn: str) -> str | None:
    functions = lambda_backends[account][region]._lambdas
    function = functions.get_arn(arn)
    if function is None or not function.policy.statements:
        return None
    return json.dumps({"Version": "2012-10-17", "Statement": function.policy.statements})


def _text(policy: str | bytes) -> str:
    return policy.decode() if isinstance(policy, bytes) else policy
