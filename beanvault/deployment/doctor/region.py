"""Checks of the deployment's region: the database's authorities, what AWS offers there, the way to Vault."""

from __future__ import annotations

from collections.abc import Iterator

from templates.deployment import Deployment
from templates.deployment_sections import VaultHost
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


def check_offers(deployment: Deployment, aws: Aws) -> Iterator[PreflightResult]:
    """Check that the region has the instance types, the database's class and the endpoints of the file."""
    yield _check_types(deployment, aws)
    yield _check_class(deployment, aws)
    if deployment.network.endpoints:
        yield _check_endpoints(deployment, aws)


def _check_types(deployment: Deployment, aws: Aws) -> PreflightResult:
    required = set(deployment.app.instance_types)
    if isinstance(deployment.vault, VaultHost):
        required.add(deployment.vault.instance_type)
    pages = aws.client("ec2").get_paginator("describe_instance_type_offerings")
    offered = {
        each["InstanceType"]
        for page in pages.paginate(Filters=[{"Name": "instance-type", "Values": sorted(required)}])
        for each in page["InstanceTypeOfferings"]
    }
    if missing := sorted(required - offered):
        return PreflightResult(
            "instance types",
            Verdict.BAD,
            f"{', '.join(missing)} are not offered in {aws.region}",
            "set [app] instance_types and [vault] instance_type to some of "
            f"`aws ec2 describe-instance-type-offerings --region {aws.region}`",
        )
    return PreflightResult("instance types", Verdict.GOOD, f"{', '.join(sorted(required))} are offered")


def _check_class(deployment: Deployment, aws: Aws) -> PreflightResult:
    wanted = deployment.database.instance_class
    pages = aws.client("rds").get_paginator("describe_orderable_db_instance_options")
    options = pages.paginate(
        Engine="mysql", DBInstanceClass=wanted, Vpc=True, PaginationConfig={"MaxItems": 1}
    )
    if any(page["OrderableDBInstanceOptions"] for page in options):
        return PreflightResult("database class", Verdict.GOOD, f"{wanted} is offered for MySQL")
    return PreflightResult(
        "database class",
        Verdict.BAD,
        f"{wanted} is not offered for MySQL in {aws.region}",
        "set [database] instance_class to one of `aws rds describe-orderable-db-instance-options "
        f"--engine mysql --region {aws.region} --query 'OrderableDBInstanceOptions[].DBInstanceClass'`",
    )


def _check_endpoints(deployment: Deployment, aws: Aws) -> PreflightResult:
    required = {f"com.amazonaws.{deployment.region}.{each}" for each in deployment.network.endpoints}
    pages = aws.client("ec2").get_paginator("describe_vpc_endpoint_services")
    offered = {
        name
        for page in pages.paginate(Filters=[{"Name": "service-type", "Values": ["Interface"]}])
        for name in page["ServiceNames"]
    }
    if missing := sorted(required - offered):
        return PreflightResult(
            "endpoints",
            Verdict.BAD,
            f"{aws.region} has no {', '.join(missing)}",
            f"leave {', '.join(each.rpartition('.')[2] for each in missing)} out of [network] endpoints",
        )
    return PreflightResult("endpoints", Verdict.GOOD, f"all {len(required)} services have endpoints")
