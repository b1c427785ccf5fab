"""How a role gets its policies: what it is allowed and what it is denied, as two managed policies."""

from collections.abc import Sequence

from awacs.aws import Statement
from troposphere import Ref, Tags, Template
from troposphere.iam import ManagedPolicy, Role

from templates.policies import Arn, document
from templates.suppressions import suppress


def add_role(
    template: Template,
    title: str,
    *,
    trust: Statement,
    allow: Sequence[Statement],
    allow_listed: Sequence[Statement] = (),
    deny: Sequence[Statement] = (),
    managed: Sequence[Arn] = (),
    description: str,
    tags: Tags,
    wildcards: str | None = None,
) -> Role:
    """Add a role and its policies to a template and return the role.

    The policies are managed ones, because compliance packs refuse inline policies. They are several, because
    one holds at most 6,144 characters.

    Args:
        template: of the role's layer.
        title: the role's logical id; the policies' ids are this and `Allow`, `AllowListed` or `Deny`.
        trust: who can assume the role.
        allow: the role's permissions.
        allow_listed: permissions whose length varies, since they name each entry of a list in the file.
        deny: explicit denies, which no policy attached later can lift.
        managed: policies of AWS.
        description: what the role does, as a sentence without its subject ("delivers flow logs").
        tags: of the role.
        wildcards: why some permissions name no single resource.
    """
    attached: list[Arn] = list(managed)
    for kind, effect, statements in (
        ("Allow", "Permissions", allow),
        ("AllowListed", "Permissions for listed secrets", allow_listed),
        ("Deny", "Explicit denies", deny),
    ):
        if statements:
            policy = ManagedPolicy(
                f"{title}{kind}",
                Description=f"{effect} of the role that {description}",
                PolicyDocument=document(statements),
            )
            attached.append(Ref(template.add_resource(policy)))
            if wildcards and kind == "Allow":
                suppress(policy, "AwsSolutions-IAM5", wildcards)
    return template.add_resource(
        Role(
            title,
            AssumeRolePolicyDocument=document([trust]),
            Description=f"{description[0].upper()}{description[1:]}",
            ManagedPolicyArns=attached,
            Tags=tags,
        )
    )
