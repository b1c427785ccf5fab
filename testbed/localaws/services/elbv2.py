"""Elastic Load Balancing: DeleteLoadBalancer and DescribeSSLPolicies."""

from __future__ import annotations

import functools
from typing import Any

from moto.elbv2.exceptions import ELBClientError
from moto.elbv2.models import ELBv2Backend
from moto.elbv2.responses import ELBV2Response
from moto.elbv2.ssl_policies import SSL_POLICIES


def install() -> None:
    """Correct the calls of Elastic Load Balancing."""
    _keep_protected_load_balancers()
    _refuse_unknown_policies()


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


def _keep_protected_load_balancers() -> None:
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
