"""What each role may do and must never do: one named function per permission, each returning one statement.

A statement is reviewed here once, and a role is two lists of them. Actions come from awacs, so a misspelt one
is an import error; a `Sid` says what the statement is for.

Which condition keys an action supports: https://docs.aws.amazon.com/service-authorization/latest/reference/
"""

from collections.abc import Sequence
from typing import TypeAlias

from awacs.aws import PolicyDocument, Statement
from troposphere import AWSHelperFn, Ref, Tags, Template
from troposphere.iam import ManagedPolicy, Role

from templates.shared import suppress

Arn: TypeAlias = str | AWSHelperFn


def document(statements: Sequence[Statement]) -> PolicyDocument:
    """Put *statements* into one policy document."""
    return PolicyDocument(Version="2012-10-17", Statement=list(statements))


def add_role(
    template: Template,
    title: str,
    *,
    trust: Statement,
    may: Sequence[Statement],
    listed: Sequence[Statement] = (),
    never: Sequence[Statement] = (),
    managed: Sequence[Arn] = (),
    description: str,
    tags: Tags,
    wildcards: str | None = None,
) -> Role:
    """Add a role and its policies to a template and return the role.

    The policies are managed ones, because compliance packs refuse inline policies; what the role may do and
    what it must never do are two, because one policy holds no more than 6,144 characters. What names
    each of a list of the deployment file's, *listed*, is another. *wildcards* says why some of what it may do
    names no single resource.
    """
    attached: list[Arn] = list(managed)
    for kind, verb, statements in (("May", "may", may), ("Listed", "may", listed), ("Never", "never", never)):
        if statements:
            policy = ManagedPolicy(
                f"{title}{kind}",
                Description=f"What it {verb} do: {description}",
                PolicyDocument=document(statements),
            )
            attached.append(Ref(template.add_resource(policy)))
            if wildcards and kind == "May":
                suppress(policy, "AwsSolutions-IAM5", wildcards)
    return template.add_resource(
        Role(
            title,
            AssumeRolePolicyDocument=document([trust]),
            Description=description,
            ManagedPolicyArns=attached,
            Tags=tags,
        )
    )
