"""S3: PutBucketLogging."""

from __future__ import annotations

import json
from typing import Any

from moto.s3.models import FakeBucket


def install() -> None:
    """Take a log bucket's policy with the principal `*`; moto's PutBucketLogging answers 500."""
    kind: Any = FakeBucket
    original = kind._log_permissions_enabled_policy

    def allowed(target_bucket: Any, target_prefix: str | None) -> bool:
        policy = target_bucket.policy
        if policy:
            document = json.loads(policy)
            document["Statement"] = [s for s in document["Statement"] if isinstance(s.get("Principal"), dict)]
            target_bucket.policy = json.dumps(document).encode()
        try:
            return bool(original(target_bucket, target_prefix))
        finally:
            target_bucket.policy = policy

    kind._log_permissions_enabled_policy = staticmethod(allowed)
