"""Checks of the deployment's region: the database's authorities, interface endpoints, the way to Vault."""

from __future__ import annotations

from collections.abc import Iterator

from templates.deployment import Deployment
from templates.regions import AUTHORITIES_OF_REGION

from ...artifacts import authorities
from ...aws import Aws
from ...errors import BeanvaultError
from ..connectivity import check_way_to_vault
from .result import PreflightResult, Verdict


def check_authorities(deployment: Deployment, _: Aws) -> Iterator[PreflightResult]:
    """Check that the app and the bootstrap can trust the database's certificate."""
    check, file = "database authorities", deployment.database.ca_file
    try:
        content = authorities.content(deployment)
    except BeanvaultError as error:
        yield PreflightResult(check, Verdict.BAD, str(error), error.remedy)
        return
    if content is None:
        yield PreflightResult(check, Verdict.GOOD, f"those of {deployment.region} are in the app's bundle")
    elif deployment.region in authorities.regions(content):
        yield PreflightResult(check, Verdict.GOOD, f"{file} has those of {deployment.region}")
    else:
        url = AUTHORITIES_OF_REGION.format(region=deployment.region)
        yield PreflightResult(
            check,
            Verdict.UNKNOWN,
            f"{file} has no authority of RDS in {deployment.region}",
            f"if the database is an RDS instance: curl -o {file} {url}",
        )


def check_vault_connection(deployment: Deployment, aws: Aws) -> Iterator[PreflightResult]:
    """Check the transit gateway to Vault, which another account can own."""
    try:
        found = check_way_to_vault(deployment, aws)
    except BeanvaultError as error:
        yield PreflightResult("way to Vault", Verdict.BAD, str(error), error.remedy)
        return
    if found:
        yield PreflightResult("way to Vault", Verdict.GOOD, found)


def check_endpoints(deployment: Deployment, aws: Aws) -> Iterator[PreflightResult]:
    """Check that the region has the interface endpoints of the file."""
    if not deployment.network.endpoints:
        return
    required = {f"com.amazonaws.{deployment.region}.{each}" for each in deployment.network.endpoints}
    pages = aws.client("ec2").get_paginator("describe_vpc_endpoint_services")
    offered = {
        name
        for page in pages.paginate(Filters=[{"Name": "service-type", "Values": ["Interface"]}])
        for name in page["ServiceNames"]
    }
    if missing := sorted(required - offered):
        yield PreflightResult(
            "endpoints",
            Verdict.BAD,
            f"{aws.region} has no {', '.join(missing)}",
            f"leave {', '.join(each.rpartition('.')[2] for each in missing)} out of [network] endpoints",
        )
        return
    yield PreflightResult("endpoints", Verdict.GOOD, f"all {len(required)} services have endpoints")
