"""The keys layer: what every later layer encrypts with, and the topic every later layer reports to.

Three keys, separate so that who may decrypt one kind of thing can't decrypt another. It is the first layer,
because the network's flow logs are encrypted already.
"""

import hashlib
from collections.abc import Sequence

from awacs import sns as topic_actions
from awacs.aws import Statement
from troposphere import Sub, Template, kms, sns

from templates.deployment import Deployment
from templates.policies import document
from templates.policies.keys import (
    encrypts_events,
    encrypts_logs,
    encrypts_notifications,
    granted_to,
    managed_by_account,
    used_through,
)
from templates.policies.resource import only_over_tls
from templates.policies.topic import published_by_rules, published_by_service
from templates.shared import LayerOutput, new_template, tags

LAYER = "keys"

SECRETS_KEY_ARN = LayerOutput(LAYER, "SecretsKeyArn")
"""Encrypts the replicated secrets, and nothing else."""
FUNCTION_KEY_ARN = LayerOutput(LAYER, "FunctionKeyArn")
"""Encrypts the function's environment, its connection secret and its dead letters."""
DATA_KEY_ARN = LayerOutput(LAYER, "DataKeyArn")
"""Encrypts the database with its master secret, logs, artifacts and alerts."""
TOPIC_ARN = LayerOutput(LAYER, "TopicArn")
"""The topic of alerts; publishing needs `DATA_KEY_ARN` as well."""


def build(deployment: Deployment) -> Template:
    """Return the template of the deployment's KMS keys and its topic of alerts."""
    template = new_template(deployment, LAYER, "KMS keys of secrets, function and data; the topic of alerts")
    log_groups = Sub(
        # Every log group of a deployment has the deployment's name in its own.
        f"arn:${{AWS::Partition}}:logs:${{AWS::Region}}:${{AWS::AccountId}}:log-group:*{deployment.name}*"
    )
    secrets = [managed_by_account(), used_through(["secretsmanager"])]
    function = [
        managed_by_account(),
        used_through(["lambda", "secretsmanager", "sqs"]),
        granted_to(["lambda"]),
        encrypts_events(),
    ]
    data = [
        managed_by_account(),
        used_through(["backup", "rds", "s3", "secretsmanager", "sns"]),
        granted_to(["backup", "rds"]),
        encrypts_logs(log_groups),
        encrypts_notifications(),
        encrypts_events(),
    ]
    _add_key(template, deployment, SECRETS_KEY_ARN, "replicated secrets", "secrets", secrets)
    _add_key(template, deployment, FUNCTION_KEY_ARN, "the replicator's environment", "function", function)
    data_key = _add_key(template, deployment, DATA_KEY_ARN, "database, logs, artifacts, alerts", "data", data)
    _add_topic(template, deployment, data_key)
    return template


def _add_key(
    template: Template,
    deployment: Deployment,
    output: LayerOutput,
    purpose: str,
    alias: str,
    statements: Sequence[Statement],
) -> kms.Key:
    title = f"{alias.capitalize()}Key"
    key = template.add_resource(
        kms.Key(
            title,
            # What a key encrypted is lost with it, so no stack takes one along.
            DeletionPolicy="Retain",
            UpdateReplacePolicy="Retain",
            Description=f"beanvault {deployment.name}: {purpose}",
            EnableKeyRotation=True,
            PendingWindowInDays=30,
            KeyPolicy=document(statements),
            Tags=tags(deployment, LAYER, alias),
        )
    )
    template.add_resource(
        kms.Alias(f"{title}Alias", AliasName=f"alias/{deployment.name}-{alias}", TargetKeyId=key.ref())
    )
    template.add_output(output.output(deployment, key.get_att("Arn"), f"ARN of the key of {purpose}"))
    return key


def _add_topic(template: Template, deployment: Deployment, key: kms.Key) -> None:
    alerts = deployment.alerts
    topic = template.add_resource(
        sns.Topic(
            "Topic",
            TopicName=deployment.topic_name,
            DisplayName=f"beanvault {deployment.name}",
            KmsMasterKeyId=key.get_att("Arn"),
            Tags=tags(deployment, LAYER, "alerts"),
        )
    )
    endpoints = [("email", address) for address in alerts.emails]
    endpoints += [("https", address) for address in alerts.webhooks]
    for protocol, address in endpoints:
        # A resource for each: within the topic they couldn't change without another topic. Named by what it
        # holds, so that nobody has to confirm again because somebody else was added.
        digest = hashlib.sha256(f"{protocol} {address}".encode()).hexdigest()[:8]
        template.add_resource(
            sns.SubscriptionResource(
                f"To{protocol.capitalize()}{digest}",
                TopicArn=topic.ref(),
                Protocol=protocol,
                Endpoint=address,
            )
        )
    statements = [
        published_by_service("cloudwatch.amazonaws.com", _arn("cloudwatch", "alarm:*"), topic.ref()),
        published_by_service("events.rds.amazonaws.com", _arn("rds", "*"), topic.ref()),
        published_by_rules(_arn("events", f"rule/{deployment.name}-*"), topic.ref()),
        only_over_tls(topic_actions.Publish, topic.ref()),
    ]
    template.add_resource(
        sns.TopicPolicy("TopicPolicy", Topics=[topic.ref()], PolicyDocument=document(statements))
    )
    template.add_output(TOPIC_ARN.output(deployment, topic.ref(), "ARN of the topic of alerts"))


def _arn(service: str, rest: str) -> Sub:
    return Sub(f"arn:${{AWS::Partition}}:{service}:${{AWS::Region}}:${{AWS::AccountId}}:{rest}")
