"""The regions that a deployment file accepts, and why others are refused.

A region is here once Elastic Beanstalk and all resource types of the templates are in it; the tests compare
the table with botocore's endpoints, cfn-lint's schemas and the RDS authorities in the app's bundle, so that a
newer version of one of them shows what to add.
"""

from __future__ import annotations

WITH_AUTHORITIES = frozenset(
    {
        *("af-south-1", "ap-east-1", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3"),
        *("ap-south-1", "ap-south-2"),
        *("ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-4"),
        *("ca-central-1", "eu-central-1", "eu-central-2", "eu-north-1", "eu-south-1", "eu-south-2"),
        *("eu-west-1", "eu-west-2", "eu-west-3", "me-central-1", "me-south-1", "sa-east-1"),
        *("us-east-1", "us-east-2", "us-west-1", "us-west-2"),
    }
)
"""Regions whose RDS authorities are in `eb_app/certs/rds-global-bundle.pem`."""

WITHOUT_AUTHORITIES = frozenset(
    {"ap-southeast-5", "ap-southeast-6", "ap-southeast-7", "ca-west-1", "il-central-1"}
)
"""Regions opened later: the deployment file has to name a file with their authorities."""

REGIONS = WITH_AUTHORITIES | WITHOUT_AUTHORITIES

AUTHORITIES_OF_REGION = "https://truststore.pki.rds.amazonaws.com/{region}/{region}-bundle.pem"
"""https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.SSL.html"""

# https://docs.aws.amazon.com/general/latest/gr/elasticbeanstalk.html
_WITHOUT_BEANSTALK = frozenset({"ap-east-2", "mx-central-1"})

SECONDARY_REGIONS = REGIONS | _WITHOUT_BEANSTALK
"""Regions that replicas of secrets and Vault's VPC can be in."""


def refusal(region: str) -> str | None:
    """Return why no deployment can be in *region*; None if it can."""
    if region in REGIONS:
        return None
    if region in _WITHOUT_BEANSTALK:
        return f"Elastic Beanstalk is not available in {region}"
    return unknown(region)


def unknown(region: str) -> str | None:
    """Return why nothing can be in *region*; None if something can."""
    if region in SECONDARY_REGIONS:
        return None
    if region.startswith("cn-"):
        # https://docs.amazonaws.cn/en_us/vpc/latest/privatelink/aws-services-cn-privatelink-support.html
        return (
            "the regions of China are not supported: names of endpoints, principals and buckets differ by "
            "service, and the templates were never tried there"
        )
    if region.startswith("us-gov-"):
        return (
            "the GovCloud regions are not supported: the RDS authorities are not in the bundle, ARNs have "
            "another partition, and the templates were never tried there"
        )
    return f"{region} is not a region that beanvault knows"
