"""Elastic Beanstalk and EC2: the environment, its settings, instances and volumes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from .parsing import MalformedAnswer, all_items, parses
from .stacks import DeploymentStacks, ResourceMissing

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ec2.type_defs import (
        DescribeInstancesResultTypeDef,
        DescribeVolumesResultTypeDef,
        FilterTypeDef,
        GetEbsEncryptionByDefaultResultTypeDef,
    )
    from mypy_boto3_elasticbeanstalk import ElasticBeanstalkClient
    from mypy_boto3_elasticbeanstalk.type_defs import (
        ApplicationDescriptionsMessageTypeDef,
        ConfigurationSettingsDescriptionsTypeDef,
        EnvironmentDescriptionsMessageTypeDef,
        ListPlatformBranchesResultTypeDef,
        SearchFilterTypeDef,
    )

PROPERTIES = "aws:elasticbeanstalk:application:environment"
"""The namespace of environment properties."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The environment's option settings."""

    options: Mapping[tuple[str, str], str]
    """Namespace and name to value."""
    property_names: frozenset[str]
    """Environment properties that have a value. The values are dropped: one of them may be a secret."""

    def number(self, namespace: str, name: str, default: int) -> int:
        """Return an option's value as a number.

        Raises:
            MalformedAnswer: it isn't one
        """
        value = self.options.get((namespace, name)) or str(default)
        if not value.isdecimal():
            raise MalformedAnswer(f"{namespace} {name} is {value!r} instead of a number")
        return int(value)


@dataclass(frozen=True, slots=True)
class Platform:
    """The environment's platform version, and its host name, as one call describes them."""

    stack: str
    """The solution stack's name."""
    branch: str
    """The platform branch's name; empty for a custom platform."""
    host: str
    """The host name that Beanstalk gave the environment."""


@dataclass(frozen=True, slots=True)
class Ec2Instance:
    id: str
    subnet: str
    key_name: str
    public_address: str
    http_tokens: str
    """Instance metadata: `required` means version 2 only."""
    http_endpoint: str
    security_groups: frozenset[str]


@dataclass(frozen=True, slots=True)
class Volume:
    id: str
    encrypted: bool


@parses("DescribeEnvironments")
def _platforms(answer: EnvironmentDescriptionsMessageTypeDef) -> tuple[Platform, ...]:
    return tuple(
        Platform(
            each.get("SolutionStackName", ""),
            each.get("PlatformArn", "").partition(":platform/")[2].partition("/")[0],
            each.get("CNAME", ""),
        )
        for each in answer["Environments"]
    )


@parses("DescribeConfigurationSettings")
def settings_in_force(answer: ConfigurationSettingsDescriptionsTypeDef) -> Settings | None:
    """Return the settings in force; those of a change in progress are beside them, as a pending draft."""
    in_force = (
        each for each in answer["ConfigurationSettings"] if each.get("DeploymentStatus") in (None, "deployed")
    )
    for settings in in_force:
        values = {
            (option["Namespace"], option["OptionName"]): option.get("Value") or ""
            for option in settings["OptionSettings"]
        }
        return Settings(
            {key: value for key, value in values.items() if key[0] != PROPERTIES},
            frozenset(
                name for (namespace, name), value in values.items() if namespace == PROPERTIES and value
            ),
        )
    return None


@parses("DescribeInstances")
def _instances(page: DescribeInstancesResultTypeDef) -> tuple[Ec2Instance, ...]:
    return tuple(
        Ec2Instance(
            each["InstanceId"],
            each.get("SubnetId", ""),
            each.get("KeyName", ""),
            each.get("PublicIpAddress", ""),
            each.get("MetadataOptions", {}).get("HttpTokens", ""),
            each.get("MetadataOptions", {}).get("HttpEndpoint", ""),
            frozenset(group["GroupId"] for group in each["SecurityGroups"]),
        )
        for reservation in page["Reservations"]
        for each in reservation["Instances"]
    )


@parses("DescribeVolumes")
def _volumes(page: DescribeVolumesResultTypeDef) -> tuple[Volume, ...]:
    return tuple(Volume(each["VolumeId"], each["Encrypted"]) for each in page["Volumes"])


@parses("GetEbsEncryptionByDefault")
def _encrypted_by_default(answer: GetEbsEncryptionByDefaultResultTypeDef) -> bool:
    return answer["EbsEncryptionByDefault"]


@parses("ListPlatformBranches")
def _branch_states(answer: ListPlatformBranchesResultTypeDef) -> tuple[str, ...]:
    return tuple(each.get("LifecycleState", "") for each in answer["PlatformBranchSummaryList"])


@parses("DescribeApplications")
def _version_lifecycle_rules(answer: ApplicationDescriptionsMessageTypeDef) -> tuple[str, ...]:
    (raw,) = answer["Applications"]
    config = raw.get("ResourceLifecycleConfig", {}).get("VersionLifecycleConfig", {})
    rules = {"MaxCountRule": config.get("MaxCountRule"), "MaxAgeRule": config.get("MaxAgeRule")}
    return tuple(name for name, rule in rules.items() if rule and rule["Enabled"])


@dataclass
class EnvironmentState:
    stacks: DeploymentStacks

    @property
    def name(self) -> str:
        return self.stacks.file.environment_name

    @cached_property
    def platform(self) -> Platform:
        """The environment's platform.

        Raises:
            ResourceMissing: there is no environment
        """
        platforms = _platforms(
            self._beanstalk.describe_environments(EnvironmentNames=[self.name], IncludeDeleted=False)
        )
        if not platforms:
            raise ResourceMissing(f"there is no environment {self.name}")
        return platforms[0]

    @property
    def options(self) -> Mapping[tuple[str, str], str]:
        return self.settings.options

    @cached_property
    def settings(self) -> Settings:
        """The environment's option settings.

        Raises:
            ResourceMissing: none are in force
        """
        settings = settings_in_force(
            self._beanstalk.describe_configuration_settings(
                ApplicationName=self.stacks.file.application_name, EnvironmentName=self.name
            )
        )
        if settings is None:
            raise ResourceMissing(f"no settings of {self.name} are in force")
        return settings

    @cached_property
    def platform_branch_state(self) -> str:
        """`Supported`, `Beta`, `Deprecated` or `Retired`; empty where Beanstalk doesn't know the branch.

        Not the list of available versions: it has every version that the account uses, also retired ones.
        """
        only: SearchFilterTypeDef = {
            "Attribute": "BranchName",
            "Operator": "=",
            "Values": [self.platform.branch],
        }
        states = _branch_states(self._beanstalk.list_platform_branches(Filters=[only]))
        return states[0] if states else ""

    @cached_property
    def version_lifecycle_rules(self) -> tuple[str, ...]:
        """The enabled rules by which Beanstalk deletes old application versions."""
        name = self.stacks.file.application_name
        return _version_lifecycle_rules(self._beanstalk.describe_applications(ApplicationNames=[name]))

    @cached_property
    def instances(self) -> tuple[Ec2Instance, ...]:
        """The environment's instances, found by the tag that Beanstalk puts on each."""
        ours: list[FilterTypeDef] = [
            {"Name": "tag:elasticbeanstalk:environment-name", "Values": [self.name]},
            {"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped"]},
        ]
        return all_items(_instances, self._ec2.get_paginator("describe_instances").paginate(Filters=ours))

    @cached_property
    def volumes(self) -> tuple[Volume, ...]:
        """The volumes attached to the environment's instances."""
        if not self.instances:
            return ()
        attached: list[FilterTypeDef] = [
            {"Name": "attachment.instance-id", "Values": [each.id for each in self.instances]}
        ]
        return all_items(_volumes, self._ec2.get_paginator("describe_volumes").paginate(Filters=attached))

    @cached_property
    def volumes_encrypted_by_default(self) -> bool:
        """The setting of the account in this region."""
        return _encrypted_by_default(self._ec2.get_ebs_encryption_by_default())

    @property
    def _beanstalk(self) -> ElasticBeanstalkClient:
        client: ElasticBeanstalkClient = self.stacks.aws.client("elasticbeanstalk")
        return client

    @property
    def _ec2(self) -> EC2Client:
        client: EC2Client = self.stacks.aws.client("ec2")
        return client
