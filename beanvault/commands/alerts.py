"""beanvault alerts"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from ..command_context import CommandContext
from ..errors import BeanvaultError
from .options import pass_context

if TYPE_CHECKING:
    from mypy_boto3_sns.type_defs import SubscriptionTypeDef


@click.group()
def command() -> None:
    """The subscriptions to failures."""


@command.command(epilog="\b\nExample:\n  beanvault alerts test")
@pass_context
def test(context: CommandContext) -> None:
    """Send a test message to all subscribers, and list those that are not confirmed yet."""
    client = context.aws.client("sns")
    deployment = context.deployment
    topic = context.aws.arn("sns", deployment.topic_name)
    pages = client.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
    subscriptions = [entry for page in pages for entry in page["Subscriptions"]]
    if not subscriptions:
        raise BeanvaultError(
            f"{deployment.topic_name} has no subscribers",
            "add emails or webhooks under [alerts] in the deployment file, then run "
            f"`{context.call} deploy keys`",
        )
    client.publish(
        TopicArn=topic,
        Subject=f"{deployment.name}: test of the alerts",
        Message=f"This is an operator's test. Failures of {deployment.function_name} are reported here.",
    )
    for entry in subscriptions:
        state = "sent" if _is_confirmed(entry) else "not confirmed yet"
        click.echo(f"{state}  {entry['Protocol']}  {_without_key(entry['Endpoint'])}")
    if pending := [entry for entry in subscriptions if not _is_confirmed(entry)]:
        raise BeanvaultError(
            f"{len(pending)} of {len(subscriptions)} subscribers receive nothing yet",
            "confirm the subscriptions: by the link in the email, for a webhook as its service describes",
        )


def _is_confirmed(subscription: SubscriptionTypeDef) -> bool:
    return subscription["SubscriptionArn"].startswith("arn:")


def _without_key(endpoint: str) -> str:
    """Return an email address as it is, but only the host of a webhook: the rest often holds its key."""
    parts = urlsplit(endpoint)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/…" if parts.netloc else endpoint
