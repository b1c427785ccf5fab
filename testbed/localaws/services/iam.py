"""IAM: AWS's managed policies."""

from __future__ import annotations

import functools
import json
from typing import Any

from moto.iam.models import AWSManagedPolicy, IAMBackend


def install() -> None:
    """Let AWS's managed policies be attached; moto answers NoSuchEntity unless it loads all of them first."""
    backend: Any = IAMBackend
    backend._init_managed_policies = lambda self: _ManagedPolicies(self.account_id, self.region_name)
    for action in ("attach", "detach"):
        for kind in ("role", "user", "group"):
            _load_before(backend, f"{action}_{kind}_policy")


def _load_before(backend: Any, name: str) -> None:
    """Load the policy that a method is called with before it runs: it searches the loaded ones only."""
    original = getattr(backend, name)

    @functools.wraps(original)
    def method(self: Any, *arguments: Any, **named: Any) -> Any:
        for value in (*arguments, *named.values()):
            _ = value in self.managed_policies
        return original(self, *arguments, **named)

    setattr(backend, name, method)


class _ManagedPolicies(dict[str, Any]):
    """IAM's policies by ARN. AWS's own are loaded on first use: loading all 1,400 takes seconds."""

    def __init__(self, account: str, region: str) -> None:
        super().__init__()
        self._account, self._region = account, region

    def __contains__(self, arn: object) -> bool:
        return super().__contains__(arn) or self._load(str(arn))

    def __missing__(self, arn: str) -> Any:
        if not self._load(arn):
            raise KeyError(arn)
        return self[arn]

    def _load(self, arn: str) -> bool:
        if not arn.startswith("arn:aws:iam::aws:policy/"):
            return False
        name = arn.rpartition("/")[2]
        known = _aws_policies().get(name)
        if known is None:
            return False
        policy = AWSManagedPolicy.from_data(name, self._account, self._region, known)
        if policy.arn == arn:
            self[arn] = policy
        return bool(policy.arn == arn)


@functools.cache
def _aws_policies() -> dict[str, Any]:
    from moto.iam.aws_managed_policies import aws_managed_policies_data  # 5 MB that few runs need

    found: dict[str, Any] = json.loads(aws_managed_policies_data)
    return found
