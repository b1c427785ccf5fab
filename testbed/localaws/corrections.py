"""Small corrections of moto 5.2.5; each names its symptom, and has a test that tells when it can go."""

from __future__ import annotations

import functools
import json
import secrets
import string
from typing import Any

from .settings import LocalAwsSettings


def install(_: LocalAwsSettings) -> None:
    _bucket_logging()
    _subnet_group()
    _option_groups()
    _managed_policies()
    _hosted_zone_ids()
    _protected_balancers()
    _endpoint_routes()


def _bucket_logging() -> None:
    """PutBucketLogging answers 500 when the log bucket's policy has the principal `*`."""
    from moto.s3.models import FakeBucket

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


def _subnet_group() -> None:
    """ModifyDBSubnetGroup forgets the group: the next use says DBSubnetGroupNotFoundFault."""
    from moto.rds.models import RDSBackend

    backend: Any = RDSBackend
    original = backend.modify_db_subnet_group

    @functools.wraps(original)
    def modify(self: Any, subnet_name: str, *arguments: Any, **named: Any) -> Any:
        group = original(self, subnet_name, *arguments, **named)
        self.subnet_groups[subnet_name] = group
        return group

    backend.modify_db_subnet_group = modify


def _option_groups() -> None:
    """CreateOptionGroup knows no MySQL after 8.0: "Cannot find major version 8.4 for mysql"."""
    from moto.rds.models import RDSBackend

    backend: Any = RDSBackend
    original = backend.create_option_group

    @functools.wraps(original)
    def create(self: Any, wanted: dict[str, Any]) -> Any:
        version = wanted["major_engine_version"]
        known = {"mysql": "8.0"}.get(wanted["engine_name"], version)
        group = original(self, {**wanted, "major_engine_version": known})
        group.major_engine_version = version
        return group

    backend.create_option_group = create


class _ManagedPolicies(dict[str, Any]):
    """IAM's policies by ARN; AWS's own are made when first asked for: all 1,400 would take seconds."""

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
        from moto.iam.models import AWSManagedPolicy

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
    from moto.iam.aws_managed_policies import aws_managed_policies_data

    found: dict[str, Any] = json.loads(aws_managed_policies_data)
    return found


def _managed_policies() -> None:
    """AttachRolePolicy with an AWS managed policy says NoSuchEntity, unless all are loaded at the start."""
    from moto.iam.models import IAMBackend

    backend: Any = IAMBackend
    backend._init_managed_policies = lambda self: _ManagedPolicies(self.account_id, self.region_name)
    for verb in ("attach", "detach"):
        for kind in ("role", "user", "group"):
            _touch_first(backend, f"{verb}_{kind}_policy")


def _touch_first(backend: Any, name: str) -> None:
    """Have a method, which searches the values, load the policy it is called with."""
    original = getattr(backend, name)

    @functools.wraps(original)
    def method(self: Any, *arguments: Any, **named: Any) -> Any:
        for value in (*arguments, *named.values()):
            _ = value in self.managed_policies
        return original(self, *arguments, **named)

    setattr(backend, name, method)


def _hosted_zone_ids() -> None:
    """CreateHostedZone makes ids that no zone can have: real ones are Z and some 20 letters and digits."""
    from moto.route53 import models

    def zone_id(**_: Any) -> str:
        return "Z" + "".join(secrets.choice(string.ascii_uppercase + string.digits) for _ in range(20))

    route53: Any = models
    route53.create_route53_zone_id = zone_id


def _protected_balancers() -> None:
    """DeleteLoadBalancer deletes also what `deletion_protection.enabled` protects."""
    from moto.elbv2.exceptions import ELBClientError
    from moto.elbv2.models import ELBv2Backend

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


def _endpoint_routes() -> None:
    """ModifyVpcEndpoint makes no routes in the tables it adds, and DeleteVpcEndpoints fails without them."""
    from moto.ec2.models import EC2Backend

    backend: Any = EC2Backend
    original = backend.modify_vpc_endpoint

    @functools.wraps(original)
    def modify(self: Any, vpc_id: str, **arguments: Any) -> None:
        endpoint = self.vpc_end_points[vpc_id]
        before = set(endpoint.route_table_ids or ())
        original(self, vpc_id, **arguments)
        after = set(endpoint.route_table_ids or ())
        prefixes = endpoint.destination_prefix_list_id
        for table in after - before:
            self.create_route(table, None, gateway_id=vpc_id, destination_prefix_list_id=prefixes)
        for table in before - after:
            self.delete_route(table, prefixes)

    backend.modify_vpc_endpoint = modify
