"""What an instance downloads from S3 before it runs a bundle, judged by the policy of its VPC's endpoint.

All requests for S3 leave a VPC with a gateway endpoint through it, and its policy has to allow them besides
those of bucket and role: https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-access.html.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..authorization.policy import AccessRequest, Decision, evaluate, parse
from ..moto_client import client
from .bundle import BundleRejected

SUFFIXES = {
    "ap-south-2": "-756e067d",
    "ap-southeast-4": "-e33a8980",
    "ap-southeast-5": "-152a81b8",
    "ap-southeast-6": "-11e75a81",
    "ap-southeast-7": "-81bc2d85",
    "ca-west-1": "-e09147ba",
    "eu-central-2": "-2742d7fd",
    "eu-south-2": "-55d6b528",
    "me-central-1": "-f08b818c",
}
"""Of the names of Beanstalk's own buckets in newer regions, as the EB CLI has them (3.26 or later)."""


class DownloadRefused(BundleRejected):
    """The endpoint's policy denies what an instance needs, so it never becomes healthy."""


def required_buckets(region: str) -> Iterator[str]:
    """Yield the buckets of AWS that an instance of a Python platform downloads from, without credentials.

    https://docs.aws.amazon.com/elasticbeanstalk/latest/dg/vpc-vpce.policy.html,
    https://docs.aws.amazon.com/linux/al2023/ug/s3-endpoints.html
    """
    suffix = SUFFIXES.get(region, "")
    yield f"elasticbeanstalk-platform-assets-{region}{suffix}"
    yield f"elasticbeanstalk-env-resources-{region}{suffix}"
    yield f"al2023-repos-{region}-de612dc2"


def check_downloads(region: str, account: str, vpc: str, role: str, bundle: str | None) -> None:
    """Let an instance in *vpc* download its platform, and as *role* the bundle from the bucket *bundle*.

    Raises:
        DownloadRefused: an S3 endpoint of the VPC does not allow it
    """
    filters = [
        {"Name": "vpc-id", "Values": [vpc]},
        {"Name": "service-name", "Values": [f"com.amazonaws.{region}.s3"]},
    ]
    found = client("ec2", region, account).describe_vpc_endpoints(Filters=filters)["VpcEndpoints"]
    requests = [("*", bucket) for bucket in required_buckets(region)]
    if bundle is not None:
        requests.append((role, bundle))
    for endpoint in found:
        policy = parse(endpoint["PolicyDocument"])
        for principal, bucket in requests:
            request = AccessRequest("s3:GetObject", f"arn:aws:s3:::{bucket}/object", principal)
            if evaluate([], request, resource_policy=policy) is not Decision.ALLOWED:
                raise DownloadRefused(
                    f"The policy of {endpoint['VpcEndpointId']} does not allow s3:GetObject from {bucket}; "
                    "the instance could not be set up."
                )
