"""Story of beanvault/aws.py, beanvault/verify/export.py and templates/.

The partition in ARNs, of `aws.py` and `verify/export.py`, which ask botocore for it, and of the templates.
"""

from __future__ import annotations

import datetime as dt
import re

import boto3
import pytest

from beanvault.aws import Aws
from beanvault.verify.export import asff, ocsf
from beanvault.verify.model import Finding, Severity, Status
from templates.deployment_file import parse
from templates.layers import LAYERS
from templates.rendering import render

NOW = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
PARTITIONS = pytest.mark.parametrize(
    ("region", "partition"),
    [("eu-central-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")],
)


@PARTITIONS
def test_the_session_knows_its_partition(region: str, partition: str) -> None:
    assert Aws(boto3.session.Session("x", "x", region_name=region)).partition == partition


@PARTITIONS
def test_findings_name_the_partition(region: str, partition: str) -> None:
    found = [Finding("Edge", "ELB.1", "t", Severity.LOW, Status.PASS, "r", "e", "m")]
    (first,) = asff(found, "unit", partition, region, "123456789012", NOW)
    assert first["ProductArn"].startswith(f"arn:{partition}:securityhub:{region}:")
    (second,) = ocsf(found, "unit", partition, region, "123456789012", NOW)
    assert second["resources"][0]["cloud_partition"] == partition


@pytest.mark.parametrize("layer", LAYERS)
def test_no_template_names_a_partition_that_is_refused(layer: str) -> None:
    """`templates.regions` refuses the regions of the others."""
    deployment = parse({"name": "unit", "region": "eu-central-1", "vault": {"where": "host"}})
    assert not re.findall(r"arn:aws-[a-z-]*:|amazonaws\.com\.cn", render(LAYERS[layer](deployment)))


@PARTITIONS
def test_the_sts_of_a_partition_is_asked_in_its_region(region: str, partition: str) -> None:
    """And by its own domain: China's ends otherwise."""
    client = Aws(boto3.session.Session("x", "x", region_name=region)).client("sts")
    assert region in client.meta.endpoint_url
    assert client.meta.endpoint_url.endswith(".cn") == (partition == "aws-cn")
