"""The rendered templates that the tests of this folder inspect, and a resolver of their intrinsic functions.

`python -m tests.unit.templates.renders` writes the fixtures in `rendered/` again.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from templates.deployment import Deployment
from templates.deployment_file import parse, read
from templates.layers import LAYERS, layers_of
from templates.rendering import render
from tests.project import ROOT

HERE = Path(__file__).parent
FIXTURES = HERE / "rendered"
ACCOUNT, REGION = "123456789012", "eu-central-1"

_BASE: dict[str, Any] = {"name": "full", "region": REGION}
_VARIANTS: dict[str, dict[str, Any]] = {
    # Every optional part enabled.
    "everything": {
        "network": {"availability_zones": 3, "endpoints": ["kms", "logs", "secretsmanager", "sts"]},
        "domain": {
            "certificate": "existing",
            "name": "app.example.com",
            "certificate_arn": f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/0b1c2d3e-0000",
            "hosted_zone_id": "Z0123456789ABCDEFGHIJ",
        },
        "database": {
            "mode": "proxy",
            "multi_az": True,
            "backup_plan": True,
            "max_storage_gb": 100,
            "instance_class": "db.m7g.large",
            "performance_insights": True,
        },
        "vault": {"where": "host"},
        "replicator": {"replica_regions": ["eu-west-1"], "key_aliases": ["alias/team"], "adopt": ["old/one"]},
        "alerts": {"emails": ["ops@example.com"], "webhooks": ["https://hooks.example.com/beanvault"]},
        "app": {"environment": {"LOG_LEVEL": "INFO"}},
        "edge": {"waf": True},
    },
    # The alternatives that `everything` excludes.
    "otherwise": {
        "network": {"nat": "single"},
        "database": {"mode": "iam", "ca_file": str(ROOT / "eb_app/certs/rds-global-bundle.pem")},
        "vault": {"where": "peering", "cidrs": ["10.90.0.0/24"], "vpc_id": "vpc-0123456789abcdef0"},
        "storage": {"beanstalk_bucket": "existing"},
        "replicator": {"schedule": "cron(0/10 * * * ? *)"},
    },
    "vpn": {"vault": {"where": "vpn", "cidrs": ["10.90.0.0/24"], "gateway_address": "9.9.9.9"}},
    # The longest policy of the function: long names, and as many adoptions as the deployment file accepts.
    "crowded": {
        "name": "a" * 20,
        "vault": {"where": "outside", "cidrs": ["192.0.2.0/24"]},
        "replicator": {
            "adopt": [f"app-database-{number:04}" for number in range(31)],
            "replica_regions": ["eu-west-1", "eu-west-3", "eu-north-1"],
            "key_aliases": ["alias/team/one", "alias/team/two", "alias/team/three"],
        },
    },
    "outside": {"vault": {"where": "outside", "cidrs": ["192.0.2.0/24", "198.51.100.0/24"]}},
}
FILES = ("dev", "production")
CONFIGURATIONS = (*FILES, *_VARIANTS)

Rendered = Mapping[str, Any]


@cache
def deployment(configuration: str) -> Deployment:
    """Return one of `CONFIGURATIONS`."""
    if configuration in FILES:
        return read(ROOT / "config" / f"{configuration}.toml")
    return parse(_BASE | _VARIANTS[configuration])


@cache
def text(configuration: str, layer: str) -> str:
    """Return a layer's template as it would be deployed."""
    return render(LAYERS[layer](deployment(configuration)))


@cache
def layers(configuration: str) -> Mapping[str, Rendered]:
    """Return all templates of a configuration as CloudFormation would read them."""
    return {layer: json.loads(build(deployment(configuration)).to_json()) for layer, build in LAYERS.items()}


def resources(configuration: str, kind: str) -> Iterator[tuple[str, str, Rendered]]:
    """Yield (layer, logical id, properties) of all resources of a type."""
    for layer, template in layers(configuration).items():
        for logical_id, resource in template["Resources"].items():
            if resource["Type"] == kind:
                yield layer, logical_id, resource.get("Properties", {})


def resource(configuration: str, layer: str, logical_id: str) -> Rendered:
    """Return the properties of one resource."""
    properties: Rendered = layers(configuration)[layer]["Resources"][logical_id]["Properties"]
    return properties


# What `Ref` and `.Arn` of an existing resource would return, for some types.
_REFERENCES: Mapping[str, Callable[[str, Rendered], str]] = {
    "AWS::SecretsManager::Secret": lambda _, p: (
        f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{p['Name']}-AbCdEf"
    ),
    "AWS::SNS::Topic": lambda _, p: f"arn:aws:sns:{REGION}:{ACCOUNT}:{p['TopicName']}",
}
_ARNS: Mapping[str, Callable[[str, Rendered], str]] = {
    "AWS::KMS::Key": lambda name, _: f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{name}",
    "AWS::Events::EventBus": lambda _, p: f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/{p['Name']}",
    "AWS::SQS::Queue": lambda _, p: f"arn:aws:sqs:{REGION}:{ACCOUNT}:{p['QueueName']}",
    "AWS::Lambda::Function": lambda _, p: f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{p['FunctionName']}",
    "AWS::Logs::LogGroup": lambda _, p: f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{p['LogGroupName']}:*",
    "AWS::IAM::Role": lambda name, _: f"arn:aws:iam::{ACCOUNT}:role/{name}",
}
_PSEUDO = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Region": REGION,
    "AWS::Partition": "aws",
    "AWS::URLSuffix": "amazonaws.com",
}


def resolve(value: Any, configuration: str, layer: str) -> Any:
    """Return *value* with its intrinsic functions resolved, as if all stacks of *configuration* existed."""
    if isinstance(value, list):
        return [resolve(item, configuration, layer) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        ((function, argument),) = value.items()
        if function == "Ref":
            return _ref(argument, configuration, layer)
        if function == "Fn::GetAtt":
            name, attribute = argument
            return _attribute(name, attribute, configuration, layer)
        if function == "Fn::ImportValue":
            return _imported(argument, configuration)
        if function == "Fn::Sub":
            return _substituted(argument, configuration, layer)
        if function == "Fn::Join":
            separator, parts = argument
            return separator.join(resolve(parts, configuration, layer))
        if function == "Fn::Split":
            separator, joined = argument
            return resolve(joined, configuration, layer).split(separator)
        if function == "Fn::Select":
            index, several = argument
            return resolve(several, configuration, layer)[int(index)]
    return {key: resolve(item, configuration, layer) for key, item in value.items()}


def _ref(name: str, configuration: str, layer: str) -> str:
    if name in _PSEUDO:
        return _PSEUDO[name]
    if name == "CredentialArn":
        secret = deployment(configuration).credential_secret
        return f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{secret}-AbCdEf"
    if name == "BucketKeyArn":
        return f"arn:aws:kms:{REGION}:{ACCOUNT}:key/theirs"
    found = layers(configuration)[layer]["Resources"].get(name, {"Type": "parameter"})
    known = _REFERENCES.get(found["Type"])
    return known(name, resolve(found.get("Properties", {}), configuration, layer)) if known else name


def _attribute(name: str, attribute: str, configuration: str, layer: str) -> str:
    found = layers(configuration)[layer]["Resources"][name]
    if (found["Type"], attribute) == ("AWS::RDS::DBInstance", "Endpoint.Port"):
        return str(resolve(found["Properties"]["Port"], configuration, layer))
    if attribute == "MasterUserSecret.SecretArn":
        return f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:rds!db-0001-AbCdEf"
    if attribute == "KeyArn":
        return f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{name}"
    known = _ARNS.get(found["Type"]) if attribute == "Arn" else None
    if known:
        return known(name, resolve(found.get("Properties", {}), configuration, layer))
    return name if attribute == "GroupId" else f"{name}.{attribute}"


def _imported(export: str, configuration: str) -> Any:
    for layer, template in layers(configuration).items():
        for output in template.get("Outputs", {}).values():
            if output.get("Export", {}).get("Name") == export:
                return resolve(output["Value"], configuration, layer)
    raise LookupError(f"no layer exports {export}")


def _substituted(argument: Any, configuration: str, layer: str) -> str:
    pattern, own = (argument, {}) if isinstance(argument, str) else argument

    def replaced(match: re.Match[str]) -> str:
        name = match[1]
        if name in own:
            return str(resolve(own[name], configuration, layer))
        if "." in name:
            logical_id, _, attribute = name.partition(".")
            return _attribute(logical_id, attribute, configuration, layer)
        return _ref(name, configuration, layer)

    return re.sub(r"\$\{([^!}]+)\}", replaced, pattern)


def rewrite_fixtures() -> None:
    """Write `rendered/` again from the current templates."""
    for configuration in FILES:
        folder = FIXTURES / configuration
        folder.mkdir(parents=True, exist_ok=True)
        for stale in folder.iterdir():
            stale.unlink()
        for layer in layers_of(deployment(configuration)):
            (folder / f"{layer}.yaml").write_text(text(configuration, layer))


if __name__ == "__main__":
    rewrite_fixtures()
