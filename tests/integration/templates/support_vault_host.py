"""Deployments of the layers that the sample Vault host needs, in a local AWS that boots instances."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from beanvault.aws import Aws
from beanvault.cloudformation.stack import StackResult, StackSpec, TemplateSource
from beanvault.cloudformation.stacks import Stacks
from beanvault.deployment.deploy import deploy
from beanvault.deployment.deployment_context import DeploymentContext
from beanvault.ui import NullUi
from templates import vault_layer
from templates.deployment import Deployment
from templates.deployment_file import parse
from testbed.servers.instance import BootedInstance
from testbed.servers.localaws import REGION, LocalAws
from tests.project import ROOT


@dataclass(frozen=True, slots=True)
class HostAccount:
    aws: LocalAws

    def deployment(self, name: str, **vault: Any) -> Deployment:
        return parse({"name": name, "region": REGION, "vault": {"where": "host", **vault}})

    def deploy(self, deployment: Deployment, *layers: str) -> tuple[StackResult, ...]:
        aws = Aws(self.aws.session(REGION), self.aws.endpoint)
        context = DeploymentContext(deployment, aws, NullUi(agrees=True), ROOT)
        return deploy(context, layers)

    def deploy_changed(self, deployment: Deployment, change: Callable[[Any], None]) -> StackResult:
        """Deploy the vault layer with a change of its template."""
        template = json.loads(vault_layer.build(deployment).to_json())
        change(template["Resources"])
        spec = StackSpec(deployment.stack_name("vault"), TemplateSource(json.dumps(template)))
        return Stacks(self.aws.client("cloudformation"), NullUi(agrees=True)).deploy(spec)

    def instance(self, name: str) -> BootedInstance:
        """Return the deployment's one host."""
        (group,) = self.aws.client("autoscaling").describe_auto_scaling_groups(
            AutoScalingGroupNames=[f"{name}-vault"]
        )["AutoScalingGroups"]
        (instance,) = group["Instances"]
        return BootedInstance.of(self.aws.home, instance["InstanceId"])

    def booted(self) -> list[BootedInstance]:
        """Return all instances ever booted, the newest last."""
        homes = sorted((self.aws.home / "instances").iterdir(), key=lambda home: home.stat().st_ctime)
        return [BootedInstance.of(self.aws.home, home.name) for home in homes]

    def published(self, deployment: Deployment) -> str | None:
        """Return the published CA certificate."""
        name = vault_layer.ca_parameter(deployment)
        found = self.aws.client("ssm").get_parameters(Names=[name])["Parameters"]
        return found[0]["Value"] if found else None

    def address(self, deployment: Deployment) -> str | None:
        """Return the host's address in DNS."""
        route53 = self.aws.client("route53")
        zones = route53.list_hosted_zones_by_name(DNSName=f"{deployment.name}.internal")["HostedZones"]
        for zone in zones:
            for record in route53.list_resource_record_sets(HostedZoneId=zone["Id"])["ResourceRecordSets"]:
                if record["Type"] == "A":
                    value: str = record["ResourceRecords"][0]["Value"]
                    return value
        return None

    def calls(self, operation: str) -> int:
        """Return how often an operation was called and succeeded."""
        lines = (self.aws.home / "requests.jsonl").read_text().splitlines()
        records = [json.loads(line) for line in lines]
        return sum(record["operation"] == operation and record["status"] == 200 for record in records)


@contextmanager
def host_account(directory: Path) -> Iterator[HostAccount]:
    aws = LocalAws.start(directory, instances=True)
    try:
        yield HostAccount(aws)
    finally:
        aws.stop()
