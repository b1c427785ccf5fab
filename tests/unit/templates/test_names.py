"""Story of templates/layers.py and templates/policies/.

`templates.layers`: the rules that logical ids, Sids and descriptions in the templates follow.

These names are an interface from the first deployment on: CloudFormation replaces a resource whose logical id
changes, and people refer to Sids and exports.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.unit.templates.renders import CONFIGURATIONS, layers, resources

# fmt: off
VERBS = frozenset(
    {
        "Adopt", "Attach", "Change", "Connect", "Create", "Decrypt", "Deliver", "Describe",
        "Enable", "Encrypt", "Get", "Grant", "Harden", "List", "Manage", "Open", "Publish", "Read",
        "Register", "Replicate", "Report", "Request", "Revoke", "Send", "Stream", "Tag", "Unseal",
        "Update", "Use", "Write",
    }
)
# fmt: on
"""The verbs that the `Sid` of a role's own permission begins with."""

SUFFIXES: Mapping[str, str] = {
    "AWS::AutoScaling::AutoScalingGroup": "AutoScalingGroup",
    "AWS::CloudWatch::Alarm": "Alarm",
    "AWS::EC2::CustomerGateway": "CustomerGateway",
    "AWS::EC2::LaunchTemplate": "LaunchTemplate",
    "AWS::EC2::RouteTable": "RouteTable",
    "AWS::EC2::SecurityGroup": "SecurityGroup",
    "AWS::EC2::Subnet": "Subnet",
    "AWS::EC2::SubnetRouteTableAssociation": "RouteTableAssociation",
    "AWS::EC2::VPCEndpoint": "Endpoint",
    "AWS::EC2::VPCGatewayAttachment": "Attachment",
    "AWS::EC2::Volume": "Volume",
    "AWS::Events::EventBus": "EventBus",
    "AWS::Events::Rule": "Rule",
    "AWS::IAM::InstanceProfile": "InstanceProfile",
    "AWS::IAM::Role": "Role",
    "AWS::KMS::Alias": "Alias",
    "AWS::KMS::Key": "Key",
    "AWS::Lambda::Function": "Function",
    "AWS::Lambda::Permission": "Permission",
    "AWS::Logs::LogGroup": "LogGroup",
    "AWS::RDS::EventSubscription": "EventSubscription",
    "AWS::S3::Bucket": "Bucket",
    "AWS::S3::BucketPolicy": "Policy",
    "AWS::SNS::Topic": "Topic",
    "AWS::SQS::Queue": "Queue",
    "AWS::SecretsManager::Secret": "Secret",
}
"""How the logical ids of a type end."""

PATTERNS: Mapping[str, str] = {
    "AWS::EC2::SecurityGroupIngress": r"\w+To\w+Ingress(\d+x\w+)?",
    "AWS::EC2::SecurityGroupEgress": r"\w+To\w+Egress(\d+x\w+)?",
    "AWS::EC2::NatGateway": r"NatGateway\d",
    "AWS::EC2::Route": r"\w+(DefaultRoute|VaultRoute\w+)",
    "AWS::IAM::ManagedPolicy": r"\w+Role(Allow|AllowListed|Deny)",
    "AWS::SNS::Subscription": r"(Email|Https)Subscription[0-9a-f]{8}",
}
"""What the logical ids of a type look like where they end in a range, a number or one of several words."""


def _statements(value: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, dict):
        if "Effect" in value:
            yield value
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from _statements(inner)


def _sid_follows_the_rule(statement: Mapping[str, Any]) -> bool:
    first = re.findall(r"[A-Z][a-z0-9]+", statement["Sid"])[0]
    if statement["Effect"] == "Deny":
        return bool(first == "Deny")
    return first == "Allow" if "Principal" in statement else first in VERBS


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_a_sid_begins_with_what_its_statement_does(configuration: str) -> None:
    """`Deny` where it denies, `Allow` where it admits a principal, else the verb of the permission."""
    found = {
        statement["Sid"]: (layer, statement)
        for layer, template in layers(configuration).items()
        for statement in _statements(template["Resources"])
    }
    assert len(found) > 40
    assert [f"{layer}: {sid}" for sid, (layer, s) in found.items() if not _sid_follows_the_rule(s)] == []


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_one_sid_is_one_permission(configuration: str) -> None:
    """Two statements with the same Sid allow or deny the same actions, wherever they are."""
    actions: dict[str, set[str]] = {}
    for template in layers(configuration).values():
        for statement in _statements(template["Resources"]):
            service = re.sub(r":.*", "", statement["Action"][0])
            key = f"{statement['Sid']} {service}" if "Principal" in statement else statement["Sid"]
            actions.setdefault(key, set()).add(str(statement["Action"]))
    assert {key: found for key, found in actions.items() if len(found) > 1} == {}


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_a_logical_id_ends_in_what_the_resource_is(configuration: str) -> None:
    """As AWS calls it: a log group is a `…LogGroup`, not `…Logs`."""
    wrong = [
        f"{layer}: {logical_id} is an {resource['Type']}"
        for layer, template in layers(configuration).items()
        for logical_id, resource in template["Resources"].items()
        if not re.fullmatch(
            PATTERNS.get(resource["Type"], rf"\w*{SUFFIXES.get(resource['Type'], '')}"), logical_id
        )
    ]
    assert wrong == []


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_descriptions_of_security_groups_have_characters_that_ec2_accepts(configuration: str) -> None:
    """No apostrophe, for one.

    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AuthorizeSecurityGroupIngress.html
    """
    accepted = re.compile(r"[a-zA-Z0-9. _:/()#,@\[\]+=&;{}!$*-]{1,255}")
    for kind in ("SecurityGroup", "SecurityGroupIngress", "SecurityGroupEgress"):
        for layer, name, properties in resources(configuration, f"AWS::EC2::{kind}"):
            text = properties.get("GroupDescription") or properties["Description"]
            assert accepted.fullmatch(text), f"{layer}: {name}: {text}"


@pytest.mark.parametrize(
    ("statement", "follows"),
    [
        ({"Sid": "TellPeople", "Effect": "Allow"}, False),
        ({"Sid": "PublishAlerts", "Effect": "Allow"}, True),
        ({"Sid": "NeverReadSecrets", "Effect": "Deny"}, False),
        ({"Sid": "DenyReadingOtherSecrets", "Effect": "Deny"}, True),
        ({"Sid": "OnlyTheService", "Effect": "Allow", "Principal": {}}, False),
        ({"Sid": "AllowServiceToAssumeRole", "Effect": "Allow", "Principal": {}}, True),
    ],
)
def test_the_rule_refuses_other_sids(statement: Mapping[str, Any], follows: bool) -> None:
    """A negative control."""
    assert _sid_follows_the_rule(statement) is follows
