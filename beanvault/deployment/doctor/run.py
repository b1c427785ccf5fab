"""Runs all pre-flight checks."""

from __future__ import annotations

from collections.abc import Iterator

from templates.deployment import Deployment

from ...aws import FAILURES, Aws, explained
from ...errors import BeanvaultError, Denied
from ...vault.server import VaultServer, seal_status
from .account import check_bucket, check_disks, check_permissions, check_service_roles
from .domain import check_certificate
from .leftovers import check_leftovers
from .quotas import check_concurrency, check_quotas
from .region import check_authorities, check_endpoints, check_vault_connection
from .result import Check, PreflightResult, Verdict
from .shared_bucket import check_shared_bucket
from .tools import check_tools
from .versions import VERSION_CHECKS
from .zones import ZONE_CHECKS

CHECKS: tuple[tuple[str, Check], ...] = (
    ("permissions", check_permissions),
    ("database authorities", check_authorities),
    ("endpoints", check_endpoints),
    ("way to Vault", check_vault_connection),
    ("quotas", check_quotas),
    ("function", check_concurrency),
    ("service-linked roles", check_service_roles),
    ("certificate", check_certificate),
    ("disks", check_disks),
    ("Beanstalk's bucket", check_bucket),
    *ZONE_CHECKS,
    *VERSION_CHECKS,
    ("the bucket's settings", check_shared_bucket),
    ("names", check_leftovers),
)


def run_checks(deployment: Deployment, aws: Aws, vault: VaultServer | None) -> Iterator[PreflightResult]:
    """Yield the result of each check; where AWS fails, the result is unknown and holds AWS's message."""
    yield from check_tools()
    try:
        account = aws.account()
    except FAILURES as error:
        known = explained(error)
        yield PreflightResult("credentials", Verdict.BAD, str(known), known.remedy)
        return  # all other checks need credentials
    yield PreflightResult("credentials", Verdict.GOOD, f"account {account}, {aws.region}")
    if aws.region != deployment.region:
        yield PreflightResult(
            "region",
            Verdict.BAD,
            f"{aws.region}, not {deployment.region}",
            f"pass --region {deployment.region}",
        )
    for name, check in CHECKS:
        try:
            yield from check(deployment, aws)
        except FAILURES as error:
            known = explained(error)
            # Credentials that can't read these resources can't create them either.
            verdict = Verdict.BAD if isinstance(known, Denied) else Verdict.UNKNOWN
            yield PreflightResult(name, verdict, str(known), known.remedy)
    if vault is not None:
        yield _check_vault(vault)


def _check_vault(server: VaultServer) -> PreflightResult:
    try:
        state = seal_status(server)
    except BeanvaultError as error:
        return PreflightResult("Vault", Verdict.BAD, str(error), error.remedy)
    if not state.initialized or state.sealed:
        return PreflightResult(
            "Vault", Verdict.BAD, f"{server.address} is not initialised or sealed", "beanvault vault init"
        )
    return PreflightResult("Vault", Verdict.GOOD, f"{server.address} answers, version {state.version}")
