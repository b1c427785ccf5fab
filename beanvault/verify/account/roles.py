"""IAM: the stacks' roles, who can assume them, and every policy they have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from .parsing import all_items, parses
from .policies import PolicyStatement, statements
from .stacks import DeploymentStacks

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_iam.type_defs import (
        GetInstanceProfileResponseTypeDef,
        GetPolicyResponseTypeDef,
        GetPolicyVersionResponseTypeDef,
        GetRolePolicyResponseTypeDef,
        GetRoleResponseTypeDef,
        ListAttachedRolePoliciesResponseTypeDef,
        ListRolePoliciesResponseTypeDef,
    )


@dataclass(frozen=True, slots=True)
class RolePolicy:
    """A policy of a role, attached or inline."""

    name: str
    statements: tuple[PolicyStatement, ...]
    arn: str = ""
    """Of an attached policy; an inline one has none."""
    in_template: bool = False
    """Whether the role's template names it."""

    @property
    def by_aws(self) -> bool:
        """Whether AWS wrote it and keeps it up to date."""
        return ":iam::aws:" in self.arn


@parses("ListAttachedRolePolicies")
def _attached(page: ListAttachedRolePoliciesResponseTypeDef) -> tuple[tuple[str, str], ...]:
    return tuple((each["PolicyName"], each["PolicyArn"]) for each in page["AttachedPolicies"])


@parses("GetPolicy")
def _default_version(answer: GetPolicyResponseTypeDef) -> str:
    return answer["Policy"]["DefaultVersionId"]


@parses("GetPolicyVersion")
def _managed_statements(answer: GetPolicyVersionResponseTypeDef) -> tuple[PolicyStatement, ...]:
    return statements(answer["PolicyVersion"]["Document"])


@parses("ListRolePolicies")
def _inline(page: ListRolePoliciesResponseTypeDef) -> tuple[str, ...]:
    return tuple(page["PolicyNames"])


@parses("GetRolePolicy")
def _inline_statements(answer: GetRolePolicyResponseTypeDef) -> tuple[PolicyStatement, ...]:
    return statements(answer["PolicyDocument"])


@parses("GetRole")
def _trust_statements(answer: GetRoleResponseTypeDef) -> tuple[PolicyStatement, ...]:
    return statements(answer["Role"]["AssumeRolePolicyDocument"])


@parses("GetInstanceProfile")
def _roles_of_profile(answer: GetInstanceProfileResponseTypeDef) -> tuple[str, ...]:
    return tuple(role["RoleName"] for role in answer["InstanceProfile"]["Roles"])


@dataclass
class RolesState:
    stacks: DeploymentStacks

    @cached_property
    def policies(self) -> Mapping[str, tuple[RolePolicy, ...]]:
        """Each role of the stacks with all its policies, whoever added them."""
        return {role: tuple(self._policies_of(role)) for role in self.stacks.ids("AWS::IAM::Role")}

    def _policies_of(self, role: str) -> Iterator[RolePolicy]:
        client = self._iam
        attached = client.get_paginator("list_attached_role_policies").paginate(RoleName=role)
        for name, arn in all_items(_attached, attached):
            version = _default_version(client.get_policy(PolicyArn=arn))
            found = _managed_statements(client.get_policy_version(PolicyArn=arn, VersionId=version))
            yield RolePolicy(name, found, arn, arn in self.template_policies[role])
        inline = client.get_paginator("list_role_policies").paginate(RoleName=role)
        for name in all_items(_inline, inline):
            found = _inline_statements(client.get_role_policy(RoleName=role, PolicyName=name))
            yield RolePolicy(name, found)

    @cached_property
    def template_policies(self) -> Mapping[str, frozenset[str]]:
        """Each role of the stacks with the ARNs of the managed policies that its template names."""
        return {
            resource.physical_id: frozenset(
                self._policy_arn(layer, policy)
                for policy in self.stacks.templates.get(layer, {})
                .get(logical_id, {})
                .get("Properties", {})
                .get("ManagedPolicyArns", ())
            )
            for (layer, logical_id), resource in self.stacks.resources.items()
            if resource.type == "AWS::IAM::Role"
        }

    def _policy_arn(self, layer: str, reference: Mapping[str, str]) -> str:
        """Return the ARN of a policy that a template names by reference, or with the partition left open."""
        if "Ref" in reference:
            return self.stacks.physical_id(layer, reference["Ref"])
        return reference["Fn::Sub"].replace("${AWS::Partition}", self.stacks.aws.partition)

    def trust(self, role: str) -> tuple[PolicyStatement, ...]:
        """Return the statements that decide who can assume a role."""
        return _trust_statements(self._iam.get_role(RoleName=role))

    def of_instance_profile(self, name: str) -> tuple[str, ...]:
        return _roles_of_profile(self._iam.get_instance_profile(InstanceProfileName=name))

    @property
    def _iam(self) -> IAMClient:
        client: IAMClient = self.stacks.aws.client("iam")
        return client
