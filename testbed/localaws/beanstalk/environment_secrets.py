"""Environment properties from secrets and parameters, which an instance reads when it boots, and not again.

https://docs.aws.amazon.com/elasticbeanstalk/latest/dg/AWSHowTo.secrets.env-vars.html
"""

from __future__ import annotations

import json
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from .bundle import BundleRejected, Options
from .metadata import InstanceMetadata

NAMESPACE = "aws:elasticbeanstalk:application:environmentsecrets"


def read_environment_secrets(options: Options, metadata: InstanceMetadata, endpoint: str) -> dict[str, str]:
    """Return variable → value, read with the instance profile's permissions.

    Raises:
        BundleRejected: a secret or parameter could not be read; the message has no value
    """
    named = {name: arn for (space, name), arn in options.items() if space == NAMESPACE}
    if not named:
        return {}
    if not metadata.role:
        raise BundleRejected("The environment's secrets could not be read: it has no instance profile.")
    issued = json.loads(metadata.credentials())
    session = boto3.session.Session(
        issued["AccessKeyId"], issued["SecretAccessKey"], issued["Token"], region_name=metadata.region
    )
    found = {}
    for name, arn in named.items():
        try:
            found[name] = _value(session, arn, endpoint)
        except (ClientError, BotoCoreError, KeyError, ValueError) as error:
            reason = str(error) if isinstance(error, ClientError) else type(error).__name__
            raise BundleRejected(f"The value of {name} could not be read: {reason}") from None
    return found


def _value(session: Any, arn: str, endpoint: str) -> str:
    parts = arn.split(":")
    if parts[2] == "ssm":
        answer = session.client("ssm", endpoint_url=endpoint).get_parameter(Name=arn, WithDecryption=True)
        return str(answer["Parameter"]["Value"])
    secret, key = ":".join(parts[:7]), ":".join(parts[7:])
    text = session.client("secretsmanager", endpoint_url=endpoint).get_secret_value(SecretId=secret)[
        "SecretString"
    ]
    return str(json.loads(text)[key]) if key else str(text)
