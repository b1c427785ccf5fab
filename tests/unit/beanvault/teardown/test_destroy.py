"""Which buckets a deletion must leave to others."""

from __future__ import annotations

from pathlib import Path

from beanvault.cloudformation.stack import StackResource
from beanvault.deployment.deployment_context import DeploymentContext
from beanvault.teardown.destroy import StackToDelete, refuse_shared_bucket
from beanvault.ui import NullUi
from templates.deployment_file import read

from ..cloudformation_answers import Answers, account_with_uploads, played_answers

__all__ = ["played_answers"]

ROOT = Path(__file__).resolve().parents[4]


def test_a_bucket_that_is_kept_can_have_other_users(answers: Answers) -> None:
    """Its policy, with the same physical id, is deleted; the bucket's other users don't matter."""
    context = DeploymentContext(
        read(ROOT / "config" / "production.toml"), account_with_uploads(answers), NullUi(), ROOT
    )
    bucket = "elasticbeanstalk-eu-central-1-123456789012"
    kept = StackResource("AWS::S3::Bucket", bucket, retained=True)
    policy = StackResource("AWS::S3::BucketPolicy", bucket, retained=False)
    refuse_shared_bucket(context, [StackToDelete("shop-storage", (kept, policy))])
