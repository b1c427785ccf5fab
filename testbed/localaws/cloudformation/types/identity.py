"""AWS::IAM and AWS::KMS types."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from ..resource import Resource
from ..resource_type import ResourceType, attributes_named, names

_iam = partial(ResourceType, service="iam")
_kms = partial(ResourceType, service="kms")


def _managed(role: Resource, old: Mapping[str, Any]) -> None:
    removed, new = role.difference(old, "ManagedPolicyArns")
    for action, arns in (("detach", removed), ("attach", new)):
        for arn in arns:
            role.call(f"{action}_role_policy", RoleName=role.name, PolicyArn=arn)


def _create_role(role: Resource) -> None:
    plain = role.pick("AssumeRolePolicyDocument", "Description")
    role.take_answer(role.call("create_role", RoleName=role.name, **plain))
    _managed(role, {})


def _update_role(role: Resource, old: Mapping[str, Any]) -> None:
    if role.changed(old, "AssumeRolePolicyDocument"):
        document = role.properties["AssumeRolePolicyDocument"]
        role.call("update_assume_role_policy", RoleName=role.name, PolicyDocument=document)
    if role.changed(old, "Description"):
        role.call("update_role", RoleName=role.name, **role.pick("Description"))
    _managed(role, old)


def _role_tags(role: Resource) -> None:
    now = role.tag_arguments("create_role").get("Tags", {})
    existing = [tag["Key"] for tag in role.call("list_role_tags", RoleName=role.name)["Tags"]]
    if removed := [key for key in existing if key not in now]:
        role.call("untag_role", RoleName=role.name, TagKeys=removed)
    if now:
        role.call("tag_role", RoleName=role.name, Tags=now)


def _delete_role(role: Resource) -> None:
    for policy in role.call("list_attached_role_policies", RoleName=role.name)["AttachedPolicies"]:
        role.call("detach_role_policy", RoleName=role.name, PolicyArn=policy["PolicyArn"])
    role.call("delete_role", RoleName=role.name)


def _old_versions(policy: Resource) -> None:
    for version in policy.call("list_policy_versions", PolicyArn=policy.physical_id)["Versions"]:
        if not version["IsDefaultVersion"]:
            policy.call("delete_policy_version", PolicyArn=policy.physical_id, VersionId=version["VersionId"])


def _update_managed(policy: Resource, _: Mapping[str, Any]) -> None:
    _old_versions(policy)
    arguments = {"PolicyArn": policy.physical_id, **policy.pick("PolicyDocument")}
    policy.call("create_policy_version", **arguments, SetAsDefault=True)


def _delete_managed(policy: Resource) -> None:
    _old_versions(policy)
    policy.call("delete_policy", PolicyArn=policy.physical_id)


def _put_in_profile(profile: Resource, old: Mapping[str, Any]) -> None:
    removed, new = profile.difference(old, "Roles")
    for action, roles in (("remove_role_from", removed), ("add_role_to", new)):
        for role in roles:
            profile.call(f"{action}_instance_profile", InstanceProfileName=profile.name, RoleName=role)


def _create_profile(profile: Resource) -> None:
    name = {"InstanceProfileName": profile.name}
    profile.take_answer(profile.call("create_instance_profile", **name))
    _put_in_profile(profile, {})


def _delete_profile(profile: Resource) -> None:
    old, profile.properties = profile.properties, {}
    _put_in_profile(profile, old)
    profile.properties = old
    profile.call("delete_instance_profile", InstanceProfileName=profile.name)


def _rotation(key: Resource) -> None:
    desired = str(key.properties.get("EnableKeyRotation", "")).lower() == "true"
    key.call("enable_key_rotation" if desired else "disable_key_rotation", KeyId=key.physical_id)


def _update_key(key: Resource, old: Mapping[str, Any]) -> None:
    if key.changed(old, "KeyPolicy"):
        key.call(
            "put_key_policy", KeyId=key.physical_id, PolicyName="default", Policy=key.properties["KeyPolicy"]
        )
    if key.changed(old, "Description"):
        key.call(
            "update_key_description", KeyId=key.physical_id, Description=key.properties.get("Description", "")
        )


def _delete_key(key: Resource) -> None:
    window = key.properties.get("PendingWindowInDays", 30)
    key.call("schedule_key_deletion", KeyId=key.physical_id, PendingWindowInDays=window)


TYPES = (
    _iam(
        name="AWS::IAM::Role",
        create=_create_role,
        known=frozenset(),
        answer="Role",
        named="RoleName",
        name_limit=64,
        settings={"Tags": _role_tags},
        update=_update_role,
        mutable=names("AssumeRolePolicyDocument Description ManagedPolicyArns"),
        delete=_delete_role,
        attributes=attributes_named("Arn"),
        tagged="{name}",
    ),
    _iam(
        name="AWS::IAM::ManagedPolicy",
        create="create_policy",
        rename={"ManagedPolicyName": "PolicyName"},
        answer="Policy",
        id="Arn",
        named="ManagedPolicyName",
        update=_update_managed,
        mutable=names("PolicyDocument"),
        delete=_delete_managed,
    ),
    _iam(
        name="AWS::IAM::InstanceProfile",
        create=_create_profile,
        known=frozenset(),
        answer="InstanceProfile",
        named="InstanceProfileName",
        update=_put_in_profile,
        mutable=names("Roles"),
        delete=_delete_profile,
        attributes=attributes_named("Arn"),
    ),
    _kms(
        name="AWS::KMS::Key",
        create="create_key",
        answer="KeyMetadata",
        id="KeyId",
        rename={"KeyPolicy": "Policy"},
        settings={"EnableKeyRotation": _rotation},
        ignored=names("PendingWindowInDays"),
        update=_update_key,
        mutable=names("KeyPolicy Description"),
        delete=_delete_key,
        attributes=attributes_named("Arn", "KeyId"),
        tagged="{id}",
    ),
    _kms(
        name="AWS::KMS::Alias",
        create="create_alias",
        named="AliasName",
        update="update_alias",
        whole=True,
        delete="delete_alias",
    ),
)
