"""Story of templates/policies/ and testbed/localaws/authorization/sent_keys.py.

No policy requires of an AWS service a condition key that the service isn't known to send: its `Allow` would
allow nothing, and what the service delivers would be lost in silence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from testbed.localaws.authorization.sent_keys import ACCOUNT, ARN, EXTERNAL_ID, SENT, sent
from tests.unit.templates.renders import CONFIGURATIONS, layers, resolve

POLICIES = {
    "AWS::IAM::Role": ("sts", "AssumeRolePolicyDocument"),
    "AWS::KMS::Key": ("kms", "KeyPolicy"),
    "AWS::S3::BucketPolicy": ("s3", "PolicyDocument"),
    "AWS::SNS::TopicPolicy": ("sns", "PolicyDocument"),
    "AWS::SQS::QueuePolicy": ("sqs", "PolicyDocument"),
}
"""Types of resources with a policy of their own: the service that is called, and the property."""

KEYS = {key.lower(): key for key in (ACCOUNT, ARN, EXTERNAL_ID)}


def required(statement: Mapping[str, Any]) -> set[str]:
    """Return those of the keys that a statement has a condition on."""
    conditions = statement.get("Condition", {}).values()
    return {KEYS[key.lower()] for condition in conditions for key in condition if key.lower() in KEYS}


def grants(configuration: str) -> Iterator[tuple[str, str, str, set[str]]]:
    """Yield of each grant to a service: where it is, the principal, the called service, the keys."""
    for layer, template in layers(configuration).items():
        for name, body in template["Resources"].items():
            properties = body.get("Properties", {})
            if body["Type"] == "AWS::Lambda::Permission":
                named = {ARN: "SourceArn", ACCOUNT: "SourceAccount"}
                keys = {key for key, argument in named.items() if argument in properties}
                yield f"{layer}/{name}", properties["Principal"], "lambda", keys
            elif body["Type"] in POLICIES:
                service, document = POLICIES[body["Type"]]
                for statement in resolve(properties[document]["Statement"], configuration, layer):
                    principal = statement["Principal"]
                    services = principal.get("Service", []) if isinstance(principal, dict) else []
                    for one in services if isinstance(services, list) else [services]:
                        yield f"{layer}/{name} {statement['Sid']}", one, service, required(statement)


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_no_service_has_to_send_what_it_does_not_send(configuration: str) -> None:
    wrong = {
        where: keys - SENT.get((principal, service), frozenset())
        for where, principal, service, keys in grants(configuration)
        if keys - SENT.get((principal, service), frozenset())
    }
    assert wrong == {}


def test_what_a_service_sends_is_required() -> None:
    """Where a source says so: otherwise a service could be made to act for another account."""
    found = {(principal, service): keys for _, principal, service, keys in grants("everything")}
    assert {pair: found[pair] for pair in found if found[pair]} == {
        ("cloudwatch.amazonaws.com", "sns"): {ACCOUNT, ARN},
        ("cloudwatch.amazonaws.com", "kms"): {ACCOUNT},
        ("events.rds.amazonaws.com", "sns"): {ACCOUNT, ARN},
        ("events.amazonaws.com", "lambda"): {ARN},
        ("events.amazonaws.com", "sqs"): {ARN},
        ("logging.s3.amazonaws.com", "s3"): {ACCOUNT, ARN},
        ("elasticbeanstalk.amazonaws.com", "sts"): {EXTERNAL_ID},
    }


def test_a_request_has_the_keys_that_its_sender_sends() -> None:
    """Who isn't listed sends none."""
    rule = "arn:aws:events:eu-central-1:123456789012:rule/shop"
    assert sent("events.amazonaws.com", "lambda:InvokeFunction", rule) == {ARN: rule}
    assert sent("events.amazonaws.com", "sns:Publish", rule) == {}
    alarm = "arn:aws:cloudwatch:eu-central-1:123456789012:alarm:shop"
    assert sent("cloudwatch.amazonaws.com", "sns:Publish", alarm) == {ARN: alarm, ACCOUNT: "123456789012"}
    assert sent("somebody.amazonaws.com", "s3:PutObject", rule) == {}
