"""The account as it is, asked once each; every answer is kept for the run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from botocore.exceptions import ClientError

from templates.deployment import Deployment
from templates.layers import LAYERS, layers_of

from ..aws import Aws, code
from ..deployment.deployment_plan import without_proxy
from .policies import Raw, statements


class ResourceMissing(Exception):
    """What is to be looked at isn't there; the message names it."""


@dataclass(frozen=True, slots=True)
class Grant:
    """A policy of a role."""

    name: str
    statements: list[Any]
    arn: str = ""
    """Of an attached policy; an inline one has none."""
    wanted: bool = False
    """Whether the role's template names it."""

    @property
    def by_aws(self) -> bool:
        """Whether AWS wrote it and keeps it up to date."""
        return ":iam::aws:" in self.arn


@dataclass
class AccountState:
    """One deployment, read through AWS's APIs."""

    file: Deployment
    """What the deployment file asks for."""
    aws: Aws

    @cached_property
    def deployment(self) -> Deployment:
        """What is there by now: a proxy comes with the first deployment after the credential."""
        return without_proxy(self.file) if ("data", "Proxy") not in self.made else self.file

    @cached_property
    def templates(self) -> Mapping[str, Mapping[str, Any]]:
        """The resources of each layer as the deployment file asks for them."""
        return {
            layer: template.to_dict()["Resources"] for layer, template in layers_of(self.deployment).items()
        }

    @cached_property
    def made(self) -> Mapping[tuple[str, str], tuple[str, str]]:
        """Everything the stacks made: layer and logical id to type and physical id."""
        client = self.aws.client("cloudformation")
        found: dict[tuple[str, str], tuple[str, str]] = {}
        for layer in LAYERS:
            try:
                pages = client.get_paginator("list_stack_resources").paginate(
                    StackName=self.file.stack_name(layer)
                )
                for item in [entry for page in pages for entry in page["StackResourceSummaries"]]:
                    physical = item.get("PhysicalResourceId", "")
                    found[layer, item["LogicalResourceId"]] = (item["ResourceType"], physical)
            except ClientError as error:
                if "does not exist" not in str(error):
                    raise
        return found

    def ids(self, kind: str) -> tuple[str, ...]:
        """Return the physical ids of all resources of a type.

        Raises:
            Missing: there is none, for the stack that has to make it isn't there
        """
        found = tuple(physical for made, physical in self.made.values() if made == kind)
        if not found:
            stacks = {layer for layer, _ in self.made}
            for layer, resources in self.templates.items():
                if layer not in stacks and any(body["Type"] == kind for body in resources.values()):
                    raise ResourceMissing(f"there is no stack {self.deployment.stack_name(layer)}")
        return found

    def named(self, layer: str, logical: str) -> str:
        """Return the physical id of one resource.

        Raises:
            Missing: the stacks have none of that name
        """
        if (layer, logical) not in self.made:
            raise ResourceMissing(f"the stack {self.deployment.stack_name(layer)} has no {logical}")
        return self.made[layer, logical][1]

    def one(self, kind: str) -> str:
        """Return the first of the resources of type *kind*.

        Raises:
            Missing: the stacks made none
        """
        ids = self.ids(kind)
        if not ids:
            raise ResourceMissing(f"the stacks have no {kind}")
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

    def rules(self, listener: Raw) -> list[Any]:
        """Return the rules of a listener, its default among them."""
        return self.pages("elbv2", "describe_rules", "Rules", ListenerArn=listener["ListenerArn"])

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
            raise ResourceMissing(f"there is no environment {name}")
        environment: Raw = found[0]
        return environment

    @cached_property
    def options(self) -> Mapping[tuple[str, str], str]:
        """The environment's option settings: (namespace, name) to value."""
        answer = self.aws.client("elasticbeanstalk").describe_configuration_settings(
            ApplicationName=self.deployment.application_name, EnvironmentName=self.deployment.environment_name
        )
        # A change under way has its settings beside those in force, as a draft whose deployment is pending.
        settings = [
            each
            for each in answer["ConfigurationSettings"]
            if each.get("DeploymentStatus") in (None, "deployed")
        ]
        if not settings:
            raise ResourceMissing(f"there are no settings in force of {self.deployment.environment_name}")
        return {
            (option["Namespace"], option["OptionName"]): option.get("Value") or ""
            for option in settings[0]["OptionSettings"]
        }

    @cached_property
    def instances(self) -> list[Any]:
        """The environment's instances as EC2 tells them, by the tag that Beanstalk puts on each."""
        ours = [
            {"Name": "tag:elasticbeanstalk:environment-name", "Values": [self.deployment.environment_name]},
            {"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped"]},
        ]
        found = self.pages("ec2", "describe_instances", "Reservations", Filters=ours)
        return [instance for reservation in found for instance in reservation["Instances"]]

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
        wanted = self.wanted_policies[role]
        for entry in self.pages("iam", "list_attached_role_policies", "AttachedPolicies", RoleName=role):
            arn = entry["PolicyArn"]
            version = client.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
            found = client.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
            yield Grant(entry["PolicyName"], statements(found), arn, arn in wanted)
        for name in self.pages("iam", "list_role_policies", "PolicyNames", RoleName=role):
            found = client.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
            yield Grant(name, statements(found))

    @cached_property
    def wanted_policies(self) -> Mapping[str, frozenset[str]]:
        """Each role of the stacks, and the ARNs of the managed policies that its template names."""
        return {
            role: frozenset(
                self._policy_arn(layer, policy)
                for policy in self.templates.get(layer, {})
                .get(logical, {})
                .get("Properties", {})
                .get("ManagedPolicyArns", ())
            )
            for (layer, logical), (kind, role) in self.made.items()
            if kind == "AWS::IAM::Role"
        }

    def _policy_arn(self, layer: str, told: Mapping[str, str]) -> str:
        """Return what a template calls by reference, or in AWS's name space with the partition left open."""
        if "Ref" in told:
            return self.named(layer, told["Ref"])
        return told["Fn::Sub"].replace("${AWS::Partition}", self.aws.partition)

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
    def log_groups(self) -> Mapping[str, Raw | None]:
        """The stacks' log groups as they are; nothing where one is gone."""
        found = {
            group["logGroupName"]: group for group in self.pages("logs", "describe_log_groups", "logGroups")
        }
        return {name: found.get(name) for name in self.ids("AWS::Logs::LogGroup")}

    # The alarms

    @cached_property
    def alarms(self) -> Mapping[str, Raw | None]:
        """The stacks' alarms as they are; nothing where one is gone."""
        found = {
            alarm["AlarmName"]: alarm for alarm in self.pages("cloudwatch", "describe_alarms", "MetricAlarms")
        }
        return {name: found.get(name) for name in self.ids("AWS::CloudWatch::Alarm")}
