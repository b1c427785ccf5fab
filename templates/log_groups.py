"""The log groups of a deployment: all encrypted with the data key, and kept as long as the file says."""

import copy
from collections.abc import Collection

from troposphere import Template, logs

from templates import keys_layer
from templates.deployment import Deployment
from templates.resource_tags import tags


def add_log_group(
    template: Template, deployment: Deployment, layer: str, title: str, name: str, tag: str | None = None
) -> logs.LogGroup:
    """Add the log group *name* with the logical id *title*; *tag* becomes its `Name` tag."""
    return template.add_resource(
        logs.LogGroup(
            title,
            LogGroupName=name,
            KmsKeyId=keys_layer.DATA_KEY_ARN.imported(deployment),
            RetentionInDays=deployment.logs.retention_days,
            Tags=tags(deployment, layer, tag),
            **deployment.retention,
        )
    )


def taking_over(template: Template, titles: Collection[str]) -> Template:
    """Return the template with the log groups *titles* as a stack takes them over, and not yet changes them.

    An import changes nothing of a log group, whatever its properties say; an update to *template* itself then
    sets its key, retention and tags. `Retain` lets a roll-back keep it, because it can hold logs.
    """
    imported = {
        title: logs.LogGroup(
            title,
            LogGroupName=template.resources[title].LogGroupName,
            DeletionPolicy="Retain",
            UpdateReplacePolicy="Retain",
        )
        for title in titles
    }
    importing = copy.copy(template)
    importing.resources = {**template.resources, **imported}
    return importing
