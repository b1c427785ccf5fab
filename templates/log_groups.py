"""The log groups of a deployment: all encrypted with the data key, and kept as long as the file says."""

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
