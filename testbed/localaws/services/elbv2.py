"""Elastic Load Balancing: DeleteLoadBalancer."""

from __future__ import annotations

import functools
from typing import Any

from moto.elbv2.exceptions import ELBClientError
from moto.elbv2.models import ELBv2Backend


def install() -> None:
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
