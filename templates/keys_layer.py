"""The keys layer: the keys that every later layer encrypts with, and the topic that every later layer alerts.

There are three keys, so that a principal that can decrypt one kind of data can't decrypt another. It is the
first layer, because the network's flow logs are already encrypted.
"""

from collections.abc import Sequence

from awacs.aws import Statement
from troposphere import Template, kms

from templates.alert_topic import add_alert_topic
from templates.deployment import Deployment
from templates.layer_outputs import LayerOutput
from templates.policies import arns, document
from templates.policies.key_policies import (
    encrypts_events,
    encrypts_logs,
    encrypts_notifications,
    granted_to,
    managed_by_account,
    used_through,
)
from templates.rendering import new_template
from templates.resource_tags import tags

LAYER = "keys"

SECRETS_KEY_ARN = LayerOutput(LAYER, "SecretsKeyArn")
"""Encrypts the replicated secrets, and nothing else."""
FUNCTION_KEY_ARN = LayerOutput(LAYER, "FunctionKeyArn")
"""Encrypts the function's environment, its connection secret and its dead letters."""
DATA_KEY_ARN = LayerOutput(LAYER, "DataKeyArn")
"""Encrypts the database with its master secret, snapshots and recovery points, log groups and alerts."""
TOPIC_ARN = LayerOutput(LAYER, "AlertTopicArn")
"""The topic of alerts; publishing needs `DATA_KEY_ARN` as well."""


def build(deployment: Deployment) -> Template:
    """Return the template of the deployment's KMS keys and its topic of alerts."""
    template = new_template(deployment, LAYER, "KMS keys of secrets, function and data; the topic of alerts")
    # The name of every log group of a deployment contains the deployment's.
    log_groups = arns.log_group(f"*{deployment.name}*")
    secrets = [managed_by_account(), used_through(["secretsmanager"])]
    function = [
        managed_by_account(),
        used_through(["lambda", "secretsmanager", "sqs"]),
        granted_to(["lambda"]),
        encrypts_events(),
    ]
    data = [
        managed_by_account(),
        used_through(["backup", "rds", "secretsmanager", "sns"]),
        granted_to(["backup", "rds"]),
        encrypts_logs(log_groups),
        *encrypts_notifications(),
        encrypts_events(),
    ]
    _add_key(template, deployment, SECRETS_KEY_ARN, "replicated secrets", "secrets", secrets)
    _add_key(
        template,
        deployment,
        FUNCTION_KEY_ARN,
        "the replicator function",
        "function",
        function,
    )
    data_key = _add_key(template, deployment, DATA_KEY_ARN, "database, logs, alerts", "data", data)
    topic = add_alert_topic(template, deployment, LAYER, data_key)
    template.add_output(TOPIC_ARN.output(deployment, topic.ref(), "ARN of the topic of alerts"))
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
            # Data is lost with the key that encrypted it, so no stack deletes a key that was ever in use.
            DeletionPolicy="RetainExceptOnCreate",
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
    template.add_output(output.output(deployment, key.get_att("Arn"), f"ARN of the KMS key for {purpose}"))
    return key
