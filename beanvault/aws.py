"""How AWS is called: one session, one endpoint, bounded time-outs and retries; and what its errors mean."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, overload

import boto3
from botocore import exceptions as botocore
from botocore.client import BaseClient
from botocore.config import Config
from botocore.parsers import ResponseParserError

from .errors import BeanvaultError, ConfigurationError, Denied, Unreachable

if TYPE_CHECKING:
    from mypy_boto3_acm import ACMClient
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_elasticbeanstalk import ElasticBeanstalkClient
    from mypy_boto3_elbv2 import ElasticLoadBalancingv2Client
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_rds import RDSClient
    from mypy_boto3_route53 import Route53Client
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_service_quotas import ServiceQuotasClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_ssm import SSMClient
    from mypy_boto3_sts import STSClient
    from mypy_boto3_wafv2 import WAFV2Client

ATTEMPTS = 6


def client_config() -> Config:
    """Return the time-outs and retries of every client.

    Raises:
        ConfigurationError: AWS_MAX_ATTEMPTS is not a number
    """
    # boto3's own variable, which a value set in code would override.
    attempts = os.environ.get("AWS_MAX_ATTEMPTS") or str(ATTEMPTS)
    if not attempts.isdigit() or int(attempts) < 1:
        raise ConfigurationError(
            f"AWS_MAX_ATTEMPTS is {attempts!r}", "set it to a number of at least 1, or unset it"
        )
    return Config(
        connect_timeout=5,
        read_timeout=60,
        retries={"mode": "standard", "total_max_attempts": int(attempts)},
    )


class AwsError(BeanvaultError):
    """AWS refused a request; the message holds operation, code and AWS's own message."""


@dataclass(frozen=True, slots=True)
class Aws:
    """A session, and the endpoint of its requests."""

    session: boto3.session.Session
    endpoint_url: str | None = None
    _clients: dict[str, BaseClient] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def connect(cls, profile: str | None = None, region: str | None = None) -> Aws:
        """Return a session that boto3 makes from profile, region and environment.

        `AWS_REGION` counts too, which the AWS CLI reads and boto3 doesn't.

        Raises:
            ConfigurationError: the profile doesn't exist, or no region is set
        """
        try:
            session = boto3.session.Session(
                profile_name=profile, region_name=region or os.environ.get("AWS_REGION") or None
            )
        except botocore.ProfileNotFound as error:
            raise ConfigurationError(
                str(error), "name one of `aws configure list-profiles` with --profile"
            ) from error
        if session.region_name is None:
            raise ConfigurationError("no AWS region is set", "pass --region, or set AWS_REGION")
        return cls(session)

    @property
    def region(self) -> str:
        region: str = self.session.region_name
        return region

    @property
    def partition(self) -> str:
        """`aws`, `aws-cn` or `aws-us-gov`."""
        partition: str = self.session.get_partition_for_region(self.region)
        return partition

    @overload
    def client(self, service: Literal["acm"], config: Config = ...) -> ACMClient: ...
    @overload
    def client(self, service: Literal["cloudformation"], config: Config = ...) -> CloudFormationClient: ...
    @overload
    def client(self, service: Literal["cloudwatch"], config: Config = ...) -> CloudWatchClient: ...
    @overload
    def client(self, service: Literal["ec2"], config: Config = ...) -> EC2Client: ...
    @overload
    def client(
        self, service: Literal["elasticbeanstalk"], config: Config = ...
    ) -> ElasticBeanstalkClient: ...
    @overload
    def client(self, service: Literal["elbv2"], config: Config = ...) -> ElasticLoadBalancingv2Client: ...
    @overload
    def client(self, service: Literal["events"], config: Config = ...) -> EventBridgeClient: ...
    @overload
    def client(self, service: Literal["iam"], config: Config = ...) -> IAMClient: ...
    @overload
    def client(self, service: Literal["kms"], config: Config = ...) -> KMSClient: ...
    @overload
    def client(self, service: Literal["lambda"], config: Config = ...) -> LambdaClient: ...
    @overload
    def client(self, service: Literal["logs"], config: Config = ...) -> CloudWatchLogsClient: ...
    @overload
    def client(self, service: Literal["rds"], config: Config = ...) -> RDSClient: ...
    @overload
    def client(self, service: Literal["route53"], config: Config = ...) -> Route53Client: ...
    @overload
    def client(self, service: Literal["s3"], config: Config = ...) -> S3Client: ...
    @overload
    def client(self, service: Literal["secretsmanager"], config: Config = ...) -> SecretsManagerClient: ...
    @overload
    def client(self, service: Literal["service-quotas"], config: Config = ...) -> ServiceQuotasClient: ...
    @overload
    def client(self, service: Literal["sns"], config: Config = ...) -> SNSClient: ...
    @overload
    def client(self, service: Literal["sqs"], config: Config = ...) -> SQSClient: ...
    @overload
    def client(self, service: Literal["ssm"], config: Config = ...) -> SSMClient: ...
    @overload
    def client(self, service: Literal["sts"], config: Config = ...) -> STSClient: ...
    @overload
    def client(self, service: Literal["wafv2"], config: Config = ...) -> WAFV2Client: ...
    @overload
    def client(self, service: str, config: Config = ...) -> Any: ...
    def client(self, service: str, config: Config | None = None) -> Any:
        """Return the client of *service*; *config* takes precedence over `client_config`."""
        if config is not None:
            return self._new_client(service, client_config().merge(config))
        if service not in self._clients:
            self._clients[service] = self._new_client(service, client_config())
        return self._clients[service]

    def account(self) -> str:
        """Return the account's number."""
        return self.client("sts").get_caller_identity()["Account"]

    def arn(self, service: str, resource: str) -> str:
        """Return the ARN of *resource*, in the service's own form, in this account and region."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account()}:{resource}"

    def exports(self) -> Mapping[str, str]:
        """Return all CloudFormation exports of the account and region: name to value."""
        pages = self.client("cloudformation").get_paginator("list_exports").paginate()
        return {export["Name"]: export["Value"] for page in pages for export in page["Exports"]}

    def _new_client(self, service: str, config: Config) -> BaseClient:
        return self.session.client(service, endpoint_url=self.endpoint_url, config=config)  # type: ignore[call-overload,no-any-return]  # the stubs list each service by name


FAILURES = (botocore.ClientError, botocore.BotoCoreError, ResponseParserError)
"""Everything that a call to AWS can raise; the last is a reply that no AWS API gives, such as a proxy's."""

SIGNATURE_CODES = frozenset({"IncompleteSignature", "InvalidSignatureException", "SignatureDoesNotMatch"})
DENIED_CODES = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "403",  # S3's answer to a HEAD request, which has no body with a code
        "AuthFailure",
        "AuthorizationError",  # SNS
        "ExpiredToken",
        "ExpiredTokenException",
        *SIGNATURE_CODES,
        "InsufficientPrivilegesException",  # Beanstalk
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "NotAuthorized",
        "OptInRequired",
        "RequestExpired",
        "UnauthorizedOperation",
        "UnrecognizedClientException",
    }
)
EXPIRED_CODES = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})
UNKNOWN_CODES = frozenset({"InvalidAccessKeyId", "InvalidClientTokenId", "UnrecognizedClientException"})
BUSY_CODES = frozenset(
    {
        "InternalError",
        "InternalFailure",
        "InternalServiceError",  # Secrets Manager
        "PriorRequestNotComplete",
        "RequestLimitExceeded",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
LIMIT_CODES = frozenset(
    {"AddressLimitExceeded", "LimitExceeded", "LimitExceededException", "VpcLimitExceeded"}
)


def code(error: botocore.ClientError) -> str:
    """Return the error code of a refusal by AWS."""
    return error.response.get("Error", {}).get("Code", "")


def explained(error: Exception) -> BeanvaultError:
    """Return *error*, one of `FAILURES`, as an error with a remedy."""
    if isinstance(error, botocore.ClientError):
        return _refusal(error)
    if isinstance(error, (botocore.NoCredentialsError, botocore.PartialCredentialsError)):
        return Denied(
            f"no AWS credentials were found: {error}",
            "sign in (`aws sso login`, `aws configure`) or name a --profile",
        )
    if isinstance(
        error, (botocore.TokenRetrievalError, botocore.SSOError, botocore.CredentialRetrievalError)
    ):
        return Denied(f"could not obtain AWS credentials: {error}", "sign in again: `aws sso login`")
    if isinstance(error, botocore.NoRegionError):
        return ConfigurationError("no AWS region is set", "pass --region, or set AWS_REGION")
    if isinstance(error, ResponseParserError):
        return Unreachable(
            "the endpoint's reply is not valid for this AWS API",
            "check the endpoint's address, and whether a proxy answers in its place",
        )
    if isinstance(error, (botocore.HTTPClientError, botocore.ConnectionError)):
        return Unreachable(
            f"AWS didn't answer: {error}",
            "check the network, the proxy and the endpoint's address, then run the command again",
        )
    return AwsError(f"the AWS SDK failed: {error}")


def _refusal(error: botocore.ClientError) -> BeanvaultError:
    name = code(error)
    reason = error.response.get("Error", {}).get("Message", "")
    message = f"AWS refused {error.operation_name} ({name}): {reason}"
    if name in EXPIRED_CODES:
        return Denied(message, "the credentials are no longer valid: sign in again (`aws sso login`)")
    if name in UNKNOWN_CODES:
        return Denied(
            message, "AWS doesn't know these credentials: check --profile and the environment (AWS_*)"
        )
    if name in SIGNATURE_CODES:
        return Denied(message, "check the secret access key, and this machine's clock")
    if name in DENIED_CODES:
        return Denied(message, f"ask for the permission of {error.operation_name}, or use another --profile")
    if name in BUSY_CODES:
        return Unreachable(message, "AWS was busy on every attempt: run the command again in a minute")
    if name in LIMIT_CODES:
        return AwsError(message, "request a higher quota in Service Quotas, or delete unused resources")
    if "NotFound" in name or "NoSuch" in name:  # each service has a code of its own for it
        return AwsError(
            message,
            "deploy first, if you have not yet: `beanvault deploy`; otherwise check the deployment file, "
            "--region and --profile",
        )
    return AwsError(message)
