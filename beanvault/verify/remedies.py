"""Commands that fix a finding. An ordinary change set compares templates, and ignores manual changes.

`NAME` stands for the deployment's name; a finding has the name itself.
"""

from __future__ import annotations


def revert_drift(layer: str = "") -> str:
    """Return the command that restores what a template says, after a property or resource was changed.

    Without a layer it covers all of them.

    Additions beside the template (a rule of a security group, an inline policy) have to be removed by hand.
    So does whatever CloudFormation can't read: Beanstalk's option settings, policies of topics and queues,
    the results of custom resources.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/drift-aware-change-sets.html
    """
    return f"beanvault deploy --revert-drift {layer}".rstrip()


def set_option(namespace: str, name: str, value: str) -> str:
    """Return the command that sets an option of the environment."""
    return (
        "aws elasticbeanstalk update-environment --environment-name NAME-app --option-settings "
        f"Namespace={namespace},OptionName={name},Value={value}"
    )
