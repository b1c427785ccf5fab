"""What each role is allowed and denied: one named function per permission, each returning one statement.

Each statement is defined here once, and a role is two lists of them (`roles.add_role`). Actions come from
awacs, so a misspelt one is an import error. The `Sid` of a permission begins with its verb. That of a denial
begins with `Deny`, and that of a resource's policy that admits a principal with `Allow`.

Where to look:

- a role's statements: the module with the role's name (`instance_role`, `vault_host_role`, `flow_log_role`,
  `custom_resource_roles`; `replicator_allow` and `replicator_deny` for the replicator's `FunctionRole`),
- statements of several roles: `secrets` and `shared_statements`,
- who can assume a role: `trust_policies`,
- policies of keys, buckets, endpoints, the topic: `…_policies`, `topic_policy`.

Which condition keys an action supports: https://docs.aws.amazon.com/service-authorization/latest/reference/
"""

from collections.abc import Sequence
from typing import TypeAlias

from awacs.aws import PolicyDocument, Statement
from troposphere import AWSHelperFn

Arn: TypeAlias = str | AWSHelperFn


def document(statements: Sequence[Statement]) -> PolicyDocument:
    """Put *statements* into one policy document."""
    return PolicyDocument(Version="2012-10-17", Statement=list(statements))
