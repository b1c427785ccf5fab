"""Elastic Load Balancing: deletion protection, DescribeSSLPolicies, where logs are delivered."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError
from moto.elbv2.exceptions import ELBClientError
from moto.elbv2.models import ELBv2Backend
from moto.elbv2.responses import ELBV2Response
from moto.elbv2.ssl_policies import SSL_POLICIES
from moto.s3.models import s3_backends

from ..authorization import service_is_allowed
from ..moto_client import client

LOG_DELIVERY = "logdelivery.elasticloadbalancing.amazonaws.com"
LOGS = {"access_logs": "ELBAccessLogTestFile", "connection_logs": "ELBConnectionLogTestFile"}
"""The attributes' prefix → the object that a load balancer writes when its logs are turned on."""


def install() -> None:
    """Correct the calls of Elastic Load Balancing."""
    _protect_from_deletion()
    _refuse_unknown_policies()
    _deliver_logs()


def _refuse_unknown_policies() -> None:
    """Answer SSLPolicyNotFound where a named policy doesn't exist; moto leaves it out."""
    responses: Any = ELBV2Response
    original = responses.describe_ssl_policies

    @functools.wraps(original)
    def describe(self: Any) -> Any:
        if unknown := [name for name in self._get_param("Names", []) if name not in SSL_POLICIES]:
            raise ELBClientError("SSLPolicyNotFound", f"SSL policy '{unknown[0]}' not found")
        return original(self)

    responses.describe_ssl_policies = describe


def _protect_from_deletion() -> None:
    """Refuse to delete a load balancer with `deletion_protection.enabled`; moto deletes it."""
    backend: Any = ELBv2Backend
    original = backend.delete_load_balancer

    @functools.wraps(original)
    def delete(self: Any, arn: str) -> None:
        balancer = self.load_balancers.get(arn)
        if balancer and balancer.attrs.get("deletion_protection.enabled") == "true":
            raise ELBClientError(
                "OperationNotPermitted",
                f"Load balancer '{arn}' cannot be deleted because deletion protection is enabled",
            )
        original(self, arn)

    backend.delete_load_balancer = delete


def _deliver_logs() -> None:
    """Write the test object of each log as the delivery's principal; moto never looks at the bucket.

    All regions accept this principal, and the accounts of the older regions are "legacy". The bucket has to
    be encrypted with S3's own keys.
    https://docs.aws.amazon.com/elasticloadbalancing/latest/application/enable-access-logging.html
    """
    backend: Any = ELBv2Backend
    original = backend.modify_load_balancer_attributes

    @functools.wraps(original)
    def modify(self: Any, arn: str, attrs: dict[str, Any]) -> Any:
        balancer = self.load_balancers.get(arn)
        if balancer is not None:
            for log, test in LOGS.items():
                _write_test(arn, log, test, {**balancer.attrs, **attrs})
        return original(self, arn, attrs)

    backend.modify_load_balancer_attributes = modify


def _write_test(arn: str, log: str, test: str, attributes: Mapping[str, str]) -> None:
    if attributes.get(f"{log}.s3.enabled") != "true":
        return
    _, partition, _, region, account, _ = arn.split(":", 5)
    bucket, prefix = attributes.get(f"{log}.s3.bucket", ""), attributes.get(f"{log}.s3.prefix", "")
    name = "/".join(filter(None, [prefix, "AWSLogs", account, test]))
    found = s3_backends[account][partition].buckets.get(bucket)
    rule = (found.encryption or {}).get("Rule", {}) if found else {}
    algorithm = rule.get("ApplyServerSideEncryptionByDefault", {}).get("SSEAlgorithm", "AES256")
    target = f"arn:{partition}:s3:::{bucket}/{name}"
    try:
        if algorithm == "AES256" and service_is_allowed(LOG_DELIVERY, "s3:PutObject", target, arn):
            client("s3", region, account).put_object(Bucket=bucket, Key=name, Body=b"")
            return
    except ClientError:  # there is no such bucket
        pass
    raise ELBClientError(
        "InvalidConfigurationRequest", f"Access Denied for bucket: {bucket}. Please check S3bucket permission"
    )
