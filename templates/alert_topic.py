"""The SNS topic of alerts in the keys layer, with its subscriptions."""

import hashlib

from awacs import sns as sns_actions
from troposphere import Template, kms, sns

from templates.deployment import Deployment
from templates.policies import arns, document
from templates.policies.resource_policies import deny_insecure_transport
from templates.policies.topic_policy import (
    published_by_alarms,
    published_by_database_events,
    published_by_rules,
)
from templates.resource_tags import tags


def add_alert_topic(template: Template, deployment: Deployment, layer: str, key: kms.Key) -> sns.Topic:
    """Add the topic, encrypted with *key*, its policy and a subscription per address; return the topic."""
    topic = template.add_resource(
        sns.Topic(
            "AlertTopic",
            TopicName=deployment.topic_name,
            DisplayName=f"beanvault {deployment.name}",
            KmsMasterKeyId=key.get_att("Arn"),
            Tags=tags(deployment, layer, "alerts"),
        )
    )
    endpoints = [("email", address) for address in deployment.alerts.emails]
    endpoints += [("https", address) for address in deployment.alerts.webhooks]
    for protocol, address in endpoints:
        # A resource per address: as properties of the topic they could not change without replacing it. The
        # id depends on the address, so that a new subscription leaves the confirmed ones alone.
        digest = hashlib.sha256(f"{protocol} {address}".encode()).hexdigest()[:8]
        template.add_resource(
            sns.SubscriptionResource(
                f"{protocol.capitalize()}Subscription{digest}",
                TopicArn=topic.ref(),
                Protocol=protocol,
                Endpoint=address,
            )
        )
    statements = [
        published_by_alarms(arns.alarms(), topic.ref()),
        published_by_database_events(arns.database_resources(), topic.ref()),
        published_by_rules(topic.ref()),
        deny_insecure_transport(sns_actions.Publish, topic.ref()),
    ]
    template.add_resource(
        sns.TopicPolicy("AlertTopicPolicy", Topics=[topic.ref()], PolicyDocument=document(statements))
    )
    return topic
