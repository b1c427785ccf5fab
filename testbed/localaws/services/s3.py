"""S3: PutBucketLogging, access control lists, and PutBucketLifecycleConfiguration."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from typing import Any

from moto.s3.exceptions import S3ClientError
from moto.s3.models import FakeBucket, S3Backend
from moto.s3.responses import S3Response

from . import bucket_policies

_MINIMUM_SIZE = "x-amz-transition-default-minimum-object-size"


def install() -> None:
    """Correct all of these."""
    bucket_policies.install()
    _allow_log_buckets()
    _refuse_acls()
    _keep_lifecycles()


def _allow_log_buckets() -> None:
    """Take a log bucket's policy with the principal `*`, or with one statement that is no list.

    Moto's PutBucketLogging answers 500.
    """
    kind: Any = FakeBucket
    original = kind._log_permissions_enabled_policy

    def allowed(target_bucket: Any, target_prefix: str | None) -> bool:
        policy = target_bucket.policy
        if policy:
            document = json.loads(policy)
            found = (
                document["Statement"] if isinstance(document["Statement"], list) else [document["Statement"]]
            )
            document["Statement"] = [s for s in found if isinstance(s.get("Principal"), dict)]
            target_bucket.policy = json.dumps(document).encode()
        try:
            return bool(original(target_bucket, target_prefix))
        finally:
            target_bucket.policy = policy

    kind._log_permissions_enabled_policy = staticmethod(allowed)


def _refuse_acls() -> None:
    """Refuse ACLs where the bucket's owner owns all objects: the default since April 2023. Moto takes them.

    The owner's full control says nothing new, and is taken.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-ownership-error-responses.html
    """
    responses: Any = S3Response
    for name in ("put_object", "copy_object", "put_object_acl"):
        _check_acl_before(responses, name)


def _check_acl_before(responses: Any, name: str) -> None:
    original = getattr(responses, name)

    @functools.wraps(original)
    def method(self: Any) -> Any:
        owner = self.backend.get_bucket(self.bucket_name).ownership_rule or "BucketOwnerEnforced"
        if owner == "BucketOwnerEnforced" and _sets_acl(self.headers, always=name == "put_object_acl"):
            raise S3ClientError("AccessControlListNotSupported", "The bucket does not allow ACLs")
        return original(self)

    setattr(responses, name, method)


def _sets_acl(headers: Mapping[str, str], *, always: bool) -> bool:
    canned = headers.get("x-amz-acl")
    grants = any(name.lower().startswith("x-amz-grant-") for name, _ in headers.items())
    return grants or canned not in (None, "bucket-owner-full-control") or (always and canned is None)


def _keep_lifecycles() -> None:
    """Refuse rules of both forms in one configuration, and keep the smallest size for transitions.

    A call that does not name the size sets the default; moto always answers with the default.
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketLifecycleConfiguration.html
    """
    backend: Any = S3Backend
    put = backend.put_bucket_lifecycle

    @functools.wraps(put)
    def put_bucket_lifecycle(self: Any, bucket_name: str, rules: list[dict[str, Any]]) -> None:
        if any("Prefix" in rule for rule in rules) and any("Filter" in rule for rule in rules):
            raise S3ClientError("InvalidRequest", "Filter element can only be used in Lifecycle V2.")
        put(self, bucket_name, rules)

    backend.put_bucket_lifecycle = put_bucket_lifecycle
    responses: Any = S3Response
    answer_put, answer_get = responses._bucket_response_put, responses.get_bucket_lifecycle

    @functools.wraps(answer_put)
    def bucket_response_put(self: Any, request: Any, bucket_name: str, querystring: dict[str, Any]) -> Any:
        answer = answer_put(self, request, bucket_name, querystring)
        if "lifecycle" in querystring:
            bucket = self.backend.get_bucket(bucket_name)
            bucket.localaws_minimum_size = request.headers.get(_MINIMUM_SIZE)
        return answer

    @functools.wraps(answer_get)
    def get_bucket_lifecycle(self: Any) -> Any:
        status, headers, body = answer_get(self)
        size = getattr(self.backend.get_bucket(self.bucket_name), "localaws_minimum_size", None)
        return status, {**headers, **({_MINIMUM_SIZE: size} if size else {})}, body

    responses._bucket_response_put = bucket_response_put
    responses.get_bucket_lifecycle = get_bucket_lifecycle
