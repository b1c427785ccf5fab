"""beanvault alerts"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from ..context import CommandContext
from ..errors import BeanvaultError
from .options import pass_context

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sns.type_defs import SubscriptionTypeDef


@click.group()
def command() -> None:
    """Who hears of failures."""


@command.command(epilog="\b\nExample:\n  beanvault alerts test")
@pass_context
def test(context: CommandContext) -> None:
    """Send a test message to everybody who would hear of a failure, and list who isn't confirmed yet."""
    client: SNSClient = context.aws.client("sns")
    deployment = context.deployment
    partition, region = context.aws.partition, context.aws.region
    topic = f"arn:{partition}:sns:{region}:{context.aws.account()}:{deployment.topic_name}"
    pages = client.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
    subscriptions = [entry for page in pages for entry in page["Subscriptions"]]
    if not subscriptions:
        raise BeanvaultError(
            f"nobody is subscribed to {deployment.topic_name}",
            "name emails or webhooks under [alerts] and deploy again",
        )
    client.publish(
        TopicArn=topic,
        Subject=f"{deployment.name}: test of the alerts",
        Message=f"This is a test by an operator. A failure of {deployment.function_name} would be told here.",
    )
    for entry in subscriptions:
        state = "sent" if _confirmed(entry) else "not confirmed yet"
        click.echo(f"{state}  {entry['Protocol']}  {_shown(entry['Endpoint'])}")
    if pending := [entry for entry in subscriptions if not _confirmed(entry)]:
        raise BeanvaultError(
            f"{len(pending)} of {len(subscriptions)} don't hear anything yet",
            "confirm the subscriptions: by the link in the mail, a webhook by what its service says",
        )


def _confirmed(subscription: SubscriptionTypeDef) -> bool:
    return subscription["SubscriptionArn"].startswith("arn:")


def _shown(endpoint: str) -> str:
    """Return a mail address as it is, and of a webhook its host only: the rest is often the key to it."""
    parts = urlsplit(endpoint)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/…" if parts.netloc else endpoint
