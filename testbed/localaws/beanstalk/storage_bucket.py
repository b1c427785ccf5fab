"""What Beanstalk writes into its bucket: an environment's data, with an ACL, and statements of its policy.

https://docs.aws.amazon.com/elasticbeanstalk/latest/dg/AWSHowTo.S3.html; the ACL:
https://github.com/aws/aws-elastic-beanstalk-cli/issues/388; the service role's part in it: S3 in the managed
policy AWSElasticBeanstalkManagedUpdatesCustomerRolePolicy; the statements as found in an account:
https://gist.github.com/zendevil/e3c82cc953be8d8dbaa2debbfaa2e2f7
"""

from __future__ import annotations

import json
from typing import Any

from botocore.exceptions import ClientError

from ..authorization import assume_role
from ..moto_client import client
from .bundle import Options
from .instance import LAUNCH
from .state import ENVIRONMENT, Environment

SERVICE = "elasticbeanstalk.amazonaws.com"
_LOGS_SID = "eb-ad78f54a-f239-4c90-adda-49e5f56cb51e"
_KEEP_SID = "eb-58950a8c-feb6-11e2-89e0-0800277d041b"
_READ_SID = "eb-af163bf3-d27b-4712-b795-d1e33e331ca4"


def bucket_name(region: str, account: str) -> str:
    return f"elasticbeanstalk-{region}-{account}"


def create(region: str, account: str) -> str:
    """Create the bucket unless it exists, with ACLs and a statement against its deletion; return its name."""
    s3, bucket = client("s3", region, account), bucket_name(region, account)
    try:
        s3.head_bucket(Bucket=bucket)
    except ClientError:
        where = {"CreateBucketConfiguration": {"LocationConstraint": region}}
        s3.create_bucket(
            Bucket=bucket, ObjectOwnership="ObjectWriter", **({} if region == "us-east-1" else where)
        )
        deny = {
            "Sid": _KEEP_SID,
            "Effect": "Deny",
            "Principal": {"AWS": "*"},
            "Action": "s3:DeleteBucket",
            "Resource": f"arn:aws:s3:::{bucket}",
        }
        s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2008-10-17", "Statement": [deny]}))
    return bucket


def write_environment_data(environment: Environment, options: Options, endpoint: str) -> None:
    """Write the environment's data as its service role, or as Beanstalk where it has none.

    Raises:
        ClientError: S3 refused it
        NotTrustedError: Beanstalk can't assume the service role
    """
    region, account = environment.region, environment.account
    bucket = create(region, account)
    s3 = _client(environment, options, endpoint)
    key = f"resources/environments/{environment.id}/_runtime/_versions/{environment.version or 'sample'}"
    s3.put_object(Bucket=bucket, Key=key, Body=environment.name.encode(), ACL="private")
    role = _instance_role(environment, options)
    if role:
        _let_instances_in(s3, bucket, role)


def _client(environment: Environment, options: Options, endpoint: str) -> Any:
    role = options.get((ENVIRONMENT, "ServiceRole"), "")
    if not role:
        return client("s3", environment.region, environment.account)
    if not role.startswith("arn:"):
        role = f"arn:aws:iam::{environment.account}:role/{role}"
    session = assume_role(role, SERVICE, f"beanstalk-{environment.id}", environment.region)
    return session.client("s3", environment.region, endpoint)


def _instance_role(environment: Environment, options: Options) -> str:
    profile = options.get((LAUNCH, "IamInstanceProfile"), "").rpartition("/")[2]
    if not profile:
        return ""
    iam = client("iam", environment.region, environment.account)
    roles = iam.get_instance_profile(InstanceProfileName=profile)["InstanceProfile"]["Roles"]
    return str(roles[0]["Arn"]) if roles else ""


def _let_instances_in(s3: Any, bucket: str, role: str) -> None:
    """Add the instances' role to Beanstalk's statements, and leave all others."""
    try:
        policy = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchBucketPolicy":
            raise
        policy = {"Version": "2008-10-17", "Statement": []}
    found = policy["Statement"] if isinstance(policy["Statement"], list) else [policy["Statement"]]
    arn = f"arn:aws:s3:::{bucket}"
    reads = ["s3:ListBucket", "s3:ListBucketVersions", "s3:GetObject", "s3:GetObjectVersion"]
    wanted: dict[str, dict[str, Any]] = {
        _LOGS_SID: {"Action": "s3:PutObject", "Resource": f"{arn}/resources/environments/logs/*"},
        _READ_SID: {"Action": reads, "Resource": [arn, f"{arn}/resources/environments/*"]},
    }
    for sid, rest in wanted.items():
        own = next((each for each in found if each.get("Sid") == sid), None)
        if own is None:
            own = {"Sid": sid, "Effect": "Allow", "Principal": {"AWS": []}, **rest}
            found.append(own)
        named = own["Principal"]["AWS"]
        named = named if isinstance(named, list) else [named]
        own["Principal"] = {"AWS": [*named, *([] if role in named else [role])]}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({**policy, "Statement": found}))
