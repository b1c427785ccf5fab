"""S3 PutBucketPolicy, and what deleting a role or user does to the bucket policies that name it.

Moto stores any text.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator
from typing import Any

from moto.iam.models import IAMBackend, iam_backends
from moto.s3.exceptions import S3ClientError
from moto.s3.models import S3Backend, s3_backends

LIMIT = 20 * 1024
"""Bytes: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-policies.html"""

UNIQUE_ID = re.compile(r"A[A-Z]{3}[A-Z0-9]{12,}")
"""Of a role (`AROA…`) or user (`AIDA…`), which a policy shows once it is deleted."""

_IDENTITY = re.compile(r"arn:[\w-]+:iam::(\d{12}):(role|user)/(.+)")


def install() -> None:
    """Refuse policies as S3 does, and show deleted principals by their unique ids.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html and
    https://repost.aws/knowledge-center/s3-invalid-principal-in-policy-error; with an id,
    https://github.com/ministryofjustice/analytical-platform/pull/4932
    """
    buckets: Any = S3Backend
    put = buckets.put_bucket_policy

    @functools.wraps(put)
    def put_bucket_policy(self: Any, bucket_name: str, policy: Any) -> None:
        _check(policy.decode() if isinstance(policy, bytes) else policy)
        put(self, bucket_name, policy)

    buckets.put_bucket_policy = put_bucket_policy
    identities: Any = IAMBackend
    for kind in ("role", "user"):
        _rewrite_after(identities, kind)


def _rewrite_after(backend: Any, kind: str) -> None:
    original = getattr(backend, f"delete_{kind}")

    @functools.wraps(original)
    def delete(self: Any, name: str) -> None:
        identity = getattr(self, f"get_{kind}")(name)
        original(self, name)
        for holders in list(s3_backends.values()):
            for holder in list(holders.values()):
                for bucket in list(holder.buckets.values()):
                    if bucket.policy:
                        text = bucket.policy.decode()
                        bucket.policy = text.replace(f'"{identity.arn}"', f'"{identity.id}"').encode()

    setattr(backend, f"delete_{kind}", delete)


def _check(text: str) -> None:
    """Refuse what S3 refuses; a `Statement` that is one object is legal, and so is one without a Sid."""
    if len(text.encode()) > LIMIT:
        raise S3ClientError("MalformedPolicy", "Policy exceeds the maximum allowed document size.")
    try:
        document = json.loads(text)
        statements = document["Statement"]
    except (ValueError, KeyError, TypeError):
        raise S3ClientError("MalformedPolicy", "Policies must be valid JSON and have statements") from None
    statements = statements if isinstance(statements, list) else [statements]
    if not statements:
        raise S3ClientError("MalformedPolicy", "Could not parse the policy: Statement is empty!")
    for statement in statements:
        element = statement.get("Principal", statement.get("NotPrincipal"))
        if element is None:
            raise S3ClientError("MalformedPolicy", "Missing required field Principal")
        if not all(_is_valid(kind, principal) for kind, principal in _principals(element)):
            raise S3ClientError("MalformedPolicy", "Invalid principal in policy")


def _principals(element: Any) -> Iterator[tuple[str, str]]:
    if isinstance(element, str):
        yield "*", element
        return
    for kind, named in element.items():
        principals = named if isinstance(named, list) else [named]
        if not principals:
            yield kind, ""
        for principal in principals:
            yield kind, str(principal)


def _is_valid(kind: str, principal: str) -> bool:
    if kind == "*":
        return principal == "*"
    if kind == "Service":
        return principal.endswith((".amazonaws.com", ".amazonaws.com.cn"))
    if kind != "AWS":
        return bool(principal)
    if UNIQUE_ID.fullmatch(principal):
        return any(principal == one.id for account in list(iam_backends) for one in _identities(account))
    if found := _IDENTITY.fullmatch(principal):
        known = found[1] in iam_backends
        return not known or any(principal == one.arn for one in _identities(found[1]))
    return bool(principal == "*" or re.fullmatch(r"\d{12}|arn:[\w-]+:(iam|sts)::\w+:.+", principal))


def _identities(account: str) -> Iterator[Any]:
    for backend in list(iam_backends[account].values()):
        yield from backend.get_roles()
        yield from backend.users.values()
