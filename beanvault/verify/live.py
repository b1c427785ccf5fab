"""The account as it is, asked once each; every answer is kept for the run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from botocore.exceptions import ClientError

from templates import LAYERS
from templates.deployment import Deployment

from ..aws import Aws, code

Raw = Mapping[str, Any]


class Missing(Exception):
    """What is to be looked at isn't there; the message names it."""


@dataclass(frozen=True, slots=True)
class Grant:
    """A policy of a role."""

    name: str
    statements: list[Any]
    by_aws: bool = False
    """Whether AWS wrote it and keeps it up to date."""


@dataclass
class Live:
    """One deployment, read through AWS's APIs."""

    deployment: Deployment
    aws: Aws

    @cached_property
    def resources(self) -> Mapping[str, tuple[str, ...]]:
        """Physical ids of everything the stacks made, by type."""
        client = self.aws.client("cloudformation")
        found: dict[str, tuple[str, ...]] = {}
        for layer in LAYERS:
            try:
                pages = client.get_paginator("list_stack_resources").paginate(
                    StackName=self.deployment.stack_name(layer)
                )
                for item in [entry for page in pages for entry in page["StackResourceSummaries"]]:
                    kind = item["ResourceType"]
                    found[kind] = (*found.get(kind, ()), item.get("PhysicalResourceId", ""))
            except ClientError as error:
                if "does not exist" not in str(error):
                    raise
        return found

    def ids(self, kind: str) -> tuple[str, ...]:
        return self.resources.get(kind, ())

    def one(self, kind: str) -> str:
        """:raises Missing: the stacks made none"""
        ids = self.ids(kind)
        if not ids:
            raise Missing(f"the stacks have no {kind}")
        return ids[0]

    def pages(self, service: str, operation: str, key: str, **arguments: Any) -> list[Any]:
        """Return all entries of a paginated answer."""
        found = self.aws.client(service).get_paginator(operation).paginate(**arguments)
        return [entry for page in found for entry in page[key]]

    # The network

    @cached_property
    def vpc(self) -> str:
        return self.one("AWS::EC2::VPC")

    def in_vpc(self, operation: str, key: str) -> list[Any]:
        return self.pages("ec2", operation, key, Filters=[{"Name": "vpc-id", "Values": [self.vpc]}])

    @cached_property
    def subnets(self) -> list[Any]:
        return self.in_vpc("describe_subnets", "Subnets")

    @cached_property
    def route_tables(self) -> list[Any]:
        return self.in_vpc("describe_route_tables", "RouteTables")

    @cached_property
    def security_groups(self) -> list[Any]:
        return self.in_vpc("describe_security_groups", "SecurityGroups")

    def table_of(self, subnet: str) -> Raw:
        """Return the route table of *subnet*: its own, or the VPC's main one."""
        main: Raw = {}
        for table in self.route_tables:
            for association in table["Associations"]:
                if association.get("SubnetId") == subnet:
                    found: Raw = table
                    return found
                if association.get("Main"):
                    main = table
        return main

    # The edge

    @cached_property
    def balancer(self) -> Raw:
        arn = self.one("AWS::ElasticLoadBalancingV2::LoadBalancer")
        found: Raw = self.aws.client("elbv2").describe_load_balancers(LoadBalancerArns=[arn])[
            "LoadBalancers"
        ][0]
        return found

    @cached_property
    def balancer_attributes(self) -> Mapping[str, str]:
        arn = self.balancer["LoadBalancerArn"]
        answer = self.aws.client("elbv2").describe_load_balancer_attributes(LoadBalancerArn=arn)
        return {entry["Key"]: entry["Value"] for entry in answer["Attributes"]}

    @cached_property
    def listeners(self) -> list[Any]:
        return self.pages(
            "elbv2", "describe_listeners", "Listeners", LoadBalancerArn=self.balancer["LoadBalancerArn"]
        )

    @cached_property
    def web_acl(self) -> Raw | None:
        arn = self.balancer["LoadBalancerArn"]
        found: Raw | None = self.aws.client("wafv2").get_web_acl_for_resource(ResourceArn=arn).get("WebACL")
        return found

    @cached_property
    def certificates(self) -> list[Any]:
        """What clients of the load balancer see."""
        client = self.aws.client("acm")
        arns = [entry["CertificateArn"] for each in self.listeners for entry in each.get("Certificates", ())]
        return [client.describe_certificate(CertificateArn=arn)["Certificate"] for arn in arns]

    # Beanstalk

    @cached_property
    def environment(self) -> Raw:
        name = self.deployment.environment_name
        found = self.aws.client("elasticbeanstalk").describe_environments(
            EnvironmentNames=[name], IncludeDeleted=False
        )["Environments"]
        if not found:
            raise Missing(f"there is no environment {name}")
        environment: Raw = found[0]
        return environment

    @cached_property
    def options(self) -> Mapping[tuple[str, str], str]:
        """The environment's option settings: (namespace, name) to value."""
        answer = self.aws.client("elasticbeanstalk").describe_configuration_settings(
            ApplicationName=self.deployment.application_name, EnvironmentName=self.deployment.environment_name
        )
        settings = answer["ConfigurationSettings"]
        if not settings:
            raise Missing(f"there is no environment {self.deployment.environment_name}")
        return {
            (option["Namespace"], option["OptionName"]): option.get("Value") or ""
            for option in settings[0]["OptionSettings"]
        }

    # The database

    @cached_property
    def database(self) -> Raw:
        name = self.deployment.database_identifier
        found: Raw = self.aws.client("rds").describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]
        return found

    @cached_property
    def parameters(self) -> Mapping[str, str]:
        group = self.database["DBParameterGroups"][0]["DBParameterGroupName"]
        found = self.pages("rds", "describe_db_parameters", "Parameters", DBParameterGroupName=group)
        return {
            entry["ParameterName"]: entry["ParameterValue"] for entry in found if "ParameterValue" in entry
        }

    # Roles

    @cached_property
    def roles(self) -> Mapping[str, tuple[Grant, ...]]:
        """Each role of the stacks, and every policy it has by now: attached or inline, ours or not."""
        return {role: tuple(self._grants(role)) for role in self.ids("AWS::IAM::Role")}

    def _grants(self, role: str) -> Iterator[Grant]:
        client = self.aws.client("iam")
        for entry in self.pages("iam", "list_attached_role_policies", "AttachedPolicies", RoleName=role):
            arn = entry["PolicyArn"]
            version = client.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
            found = client.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
            yield Grant(entry["PolicyName"], statements(found), by_aws=":iam::aws:" in arn)
        for name in self.pages("iam", "list_role_policies", "PolicyNames", RoleName=role):
            found = client.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
            yield Grant(name, statements(found))

    # Buckets

    @cached_property
    def buckets(self) -> tuple[str, ...]:
        """The stacks' buckets, and Beanstalk's own."""
        beanstalk = f"elasticbeanstalk-{self.aws.region}-{self.aws.account()}"
        return tuple(dict.fromkeys([*self.ids("AWS::S3::Bucket"), beanstalk]))

    def bucket(self, operation: str, name: str, absent: str) -> Raw:
        """Return what S3 says of a bucket; nothing where it answers the error code *absent*."""
        try:
            answer: Raw = getattr(self.aws.client("s3"), operation)(Bucket=name)
        except ClientError as error:
            if code(error) != absent:
                raise
            return {}
        return answer

    def bucket_policy(self, name: str) -> list[Any]:
        policy = self.bucket("get_bucket_policy", name, "NoSuchBucketPolicy").get("Policy")
        return statements(policy)

    # The function

    @cached_property
    def function(self) -> Raw:
        found: Raw = self.aws.client("lambda").get_function_configuration(
            FunctionName=self.deployment.function_name
        )
        return found

    @cached_property
    def secrets(self) -> list[Any]:
        """All secrets below the prefix."""
        prefix = f"{self.deployment.prefix}/"
        found = self.pages(
            "secretsmanager", "list_secrets", "SecretList", Filters=[{"Key": "name", "Values": [prefix]}]
        )
        return [secret for secret in found if secret["Name"].startswith(prefix)]

    @cached_property
    def log_groups(self) -> list[Any]:
        names = set(self.ids("AWS::Logs::LogGroup"))
        return [
            group
            for group in self.pages("logs", "describe_log_groups", "logGroups")
            if group["logGroupName"] in names
        ]


def statements(policy: str | Raw | None) -> list[Any]:
    """Return the statements of a policy, which some services answer as text and others parsed."""
    document = json.loads(policy) if isinstance(policy, str) else policy
    found = document["Statement"] if document else []
    return found if isinstance(found, list) else [found]


def listed(value: Any) -> list[Any]:
    """Return a policy's element as a list: one thing may stand there without its brackets."""
    return value if isinstance(value, list) else [value]


def plain_http_denied(found: list[Any]) -> bool:
    """Whether a policy denies requests without TLS."""
    return any(
        statement["Effect"] == "Deny"
        and str(statement.get("Condition", {}).get("Bool", {}).get("aws:SecureTransport", "")).lower()
        == "false"
        for statement in found
    )
