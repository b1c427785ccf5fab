"""What mends a finding. An ordinary change set compares templates, and leaves alone what was changed by hand.

`NAME` stands for the deployment's name; a finding has the name itself.
"""

from __future__ import annotations


def put_back(layer: str = "") -> str:
    """Mend a property, or a resource, that the stack of *layer* once made and somebody changed or removed.

    Without a layer all are looked at.

    Only what the template says is put back: what somebody added beside it (a rule of a security group, an
    inline policy) has to be taken away by hand. So has whatever CloudFormation can't read: Beanstalk's option
    settings, policies of topics and queues, what custom resources did.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/drift-aware-change-sets.html
    """
    return f"beanvault deploy --revert-drift {layer}".rstrip()


def option(namespace: str, name: str, value: str) -> str:
    """Mend an option setting of the environment."""
    return (
        "aws elasticbeanstalk update-environment --environment-name NAME-app --option-settings "
        f"Namespace={namespace},OptionName={name},Value={value}"
    )
