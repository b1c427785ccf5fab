"""Lambda, EventBridge and Secrets Manager: the function, what starts it, and the secrets it replicates."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from replicator.contract.tags import ManagedTags, read_tags

from .parsing import all_items, parses
from .policies import PolicyStatement, statements
from .stacks import DeploymentStacks

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_events.type_defs import DescribeRuleResponseTypeDef, ListRuleNamesByTargetResponseTypeDef
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_lambda.type_defs import (
        FunctionConfigurationResponseTypeDef,
        GetFunctionConcurrencyResponseTypeDef,
        GetPolicyResponseTypeDef,
    )
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_secretsmanager.type_defs import (
        GetResourcePolicyResponseTypeDef,
        ListSecretsResponseTypeDef,
    )


@dataclass(frozen=True, slots=True)
class FunctionConfiguration:
    name: str
    arn: str
    role: str
    runtime: str
    subnets: tuple[str, ...]
    kms_key: str
    """The ARN of the key of its environment variables; empty means AWS's own key."""
    dead_letter_target: str
    variable_names: frozenset[str]
    """Of its environment. The values are dropped while parsing: one of them may be a credential."""
    tracing: str


@dataclass(frozen=True, slots=True)
class EventRule:
    schedule: str
    """Empty for a rule that matches events."""
    enabled: bool


@dataclass(frozen=True, slots=True)
class SecretMetadata:
    """A secret without its value."""

    name: str
    kms_key: str
    """Empty means AWS's own key."""
    tags: ManagedTags
    created: dt.datetime
    last_accessed: dt.datetime | None


@parses("GetFunctionConfiguration")
def _configuration(answer: FunctionConfigurationResponseTypeDef) -> FunctionConfiguration:
    return FunctionConfiguration(
        answer["FunctionName"],
        answer["FunctionArn"],
        answer["Role"],
        answer.get("Runtime", ""),
        tuple(answer.get("VpcConfig", {}).get("SubnetIds", ())),
        answer.get("KMSKeyArn", ""),
        answer.get("DeadLetterConfig", {}).get("TargetArn", ""),
        frozenset(answer.get("Environment", {}).get("Variables", {})),
        answer.get("TracingConfig", {}).get("Mode", "PassThrough"),
    )


@parses("GetPolicy")
def _policy(answer: GetPolicyResponseTypeDef) -> tuple[PolicyStatement, ...]:
    return statements(answer["Policy"])


@parses("GetFunctionConcurrency")
def _reserved_concurrency(answer: GetFunctionConcurrencyResponseTypeDef) -> int | None:
    return answer.get("ReservedConcurrentExecutions")


@parses("ListRuleNamesByTarget")
def _rule_names(page: ListRuleNamesByTargetResponseTypeDef) -> tuple[str, ...]:
    return tuple(page["RuleNames"])


@parses("DescribeRule")
def _rule(answer: DescribeRuleResponseTypeDef) -> EventRule:
    return EventRule(answer.get("ScheduleExpression", ""), answer["State"] == "ENABLED")


@parses("ListSecrets")
def secret_metadata(page: ListSecretsResponseTypeDef) -> tuple[SecretMetadata, ...]:
    return tuple(
        SecretMetadata(
            each["Name"],
            each.get("KmsKeyId", ""),
            read_tags(each.get("Tags")),
            each["CreatedDate"],
            each.get("LastAccessedDate"),
        )
        for each in page["SecretList"]
    )


@parses("GetResourcePolicy")
def _resource_policy(answer: GetResourcePolicyResponseTypeDef) -> tuple[PolicyStatement, ...]:
    return statements(answer.get("ResourcePolicy"))


@dataclass
class FunctionState:
    stacks: DeploymentStacks

    @cached_property
    def configuration(self) -> FunctionConfiguration:
        name = self.stacks.file.function_name
        return _configuration(self._lambda.get_function_configuration(FunctionName=name))

    @cached_property
    def policy(self) -> tuple[PolicyStatement, ...]:
        """Who can invoke the function."""
        return _policy(self._lambda.get_policy(FunctionName=self.configuration.name))

    @cached_property
    def reserved_concurrency(self) -> int | None:
        answer = self._lambda.get_function_concurrency(FunctionName=self.configuration.name)
        return _reserved_concurrency(answer)

    @cached_property
    def rules(self) -> tuple[EventRule, ...]:
        """The rules of the default bus that start the function."""
        client: EventBridgeClient = self.stacks.aws.client("events")
        pages = client.get_paginator("list_rule_names_by_target").paginate(TargetArn=self.configuration.arn)
        return tuple(_rule(client.describe_rule(Name=name)) for name in all_items(_rule_names, pages))

    @cached_property
    def secrets(self) -> tuple[SecretMetadata, ...]:
        """All secrets below the prefix, whoever owns them."""
        prefix = f"{self.stacks.file.prefix}/"
        pages = self._secrets_manager.get_paginator("list_secrets").paginate(
            Filters=[{"Key": "name", "Values": [prefix]}]
        )
        return tuple(each for each in all_items(secret_metadata, pages) if each.name.startswith(prefix))

    @cached_property
    def connection_policy(self) -> tuple[PolicyStatement, ...]:
        """The resource policy of the connection secret."""
        name = self.stacks.file.connection_secret
        return _resource_policy(self._secrets_manager.get_resource_policy(SecretId=name))

    @property
    def _lambda(self) -> LambdaClient:
        client: LambdaClient = self.stacks.aws.client("lambda")
        return client

    @property
    def _secrets_manager(self) -> SecretsManagerClient:
        client: SecretsManagerClient = self.stacks.aws.client("secretsmanager")
        return client
