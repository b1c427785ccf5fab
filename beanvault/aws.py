"""How AWS is called: one session, one endpoint, bounded time-outs and retries; and its errors in words."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import boto3
from botocore import exceptions as botocore
from botocore.config import Config
from botocore.parsers import ResponseParserError

from .errors import BeanvaultError, ConfigurationError, Denied, Unreachable

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

ATTEMPTS = 6


def calls() -> Config:
    """Return how requests are made.

    Raises:
        ConfigurationError: AWS_MAX_ATTEMPTS is no number
    """
    # The variable is boto3's own; what is set in code would win over it.
    given = os.environ.get("AWS_MAX_ATTEMPTS") or str(ATTEMPTS)
    if not given.isdigit() or int(given) < 1:
        raise ConfigurationError(
            f"AWS_MAX_ATTEMPTS is {given!r}", "set it to a number from 1 on, or unset it"
        )
    return Config(
        connect_timeout=5,
        read_timeout=60,
        retries={"mode": "standard", "total_max_attempts": int(given)},
    )


class AwsError(BeanvaultError):
    """AWS refused a request for a reason of its own; the message holds operation, code and AWS's words."""


@dataclass(frozen=True, slots=True)
class Aws:
    """A session, and where its requests go."""

    session: boto3.session.Session
    endpoint_url: str | None = None
    _clients: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def connect(
        cls, profile: str | None = None, region: str | None = None, endpoint_url: str | None = None
    ) -> Aws:
        """Return a session made as boto3 does from profile, region and environment.

        `AWS_REGION` counts too, which the AWS CLI reads and boto3 doesn't.

        Raises:
            ConfigurationError: there is no such profile, or no region
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
        return cls(session, endpoint_url)

    @property
    def region(self) -> str:
        region: str = self.session.region_name
        return region

    @property
    def partition(self) -> str:
        """`aws`, `aws-cn` or `aws-us-gov`."""
        partition: str = self.session.get_partition_for_region(self.region)
        return partition

    def client(self, service: str, **config: Any) -> Any:
        """Return the client of *service*; *config* are further `botocore.config.Config` settings for it."""
        if config:
            return self._made(service, calls().merge(Config(**config)))
        if service not in self._clients:
            self._clients[service] = self._made(service, calls())
        return self._clients[service]

    def account(self) -> str:
        """Return the account's number."""
        account: str = self.client("sts").get_caller_identity()["Account"]
        return account

    def exports(self) -> Mapping[str, str]:
        """Return all CloudFormation exports of the account and region: name to value."""
        client: CloudFormationClient = self.client("cloudformation")
        pages = client.get_paginator("list_exports").paginate()
        return {export["Name"]: export["Value"] for page in pages for export in page["Exports"]}

    def _made(self, service: str, config: Config) -> Any:
        return self.session.client(service, endpoint_url=self.endpoint_url, config=config)  # type: ignore[call-overload]  # the stubs list each service by name


FAILURES = (botocore.ClientError, botocore.BotoCoreError, ResponseParserError)
"""Everything a call to AWS can raise; the last is an answer that isn't AWS's, as proxies give it."""

SIGNATURE_CODES = frozenset({"IncompleteSignature", "InvalidSignatureException", "SignatureDoesNotMatch"})
DENIED_CODES = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "403",  # S3's answer to a HEAD, which has no body to name a code
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
    """Return *error*, one of `FAILURES`, in words, with what to do about it."""
    if isinstance(error, botocore.ClientError):
        return _refusal(error)
    if isinstance(error, (botocore.NoCredentialsError, botocore.PartialCredentialsError)):
        return Denied(
            f"there are no AWS credentials: {error}",
            "sign in (`aws sso login`, `aws configure`) or name a --profile",
        )
    if isinstance(
        error, (botocore.TokenRetrievalError, botocore.SSOError, botocore.CredentialRetrievalError)
    ):
        return Denied(f"AWS credentials couldn't be had: {error}", "sign in again: `aws sso login`")
    if isinstance(error, botocore.NoRegionError):
        return ConfigurationError("no AWS region is set", "pass --region, or set AWS_REGION")
    if isinstance(error, ResponseParserError):
        return Unreachable("the answer wasn't one of AWS's", "check a proxy, and the endpoint's address")
    if isinstance(error, (botocore.HTTPClientError, botocore.ConnectionError)):
        return Unreachable(
            f"AWS didn't answer: {error}",
            "check the network, a proxy, and the endpoint's address; then try again",
        )
    return AwsError(f"the AWS SDK failed: {error}")


def _refusal(error: botocore.ClientError) -> BeanvaultError:
    name = code(error)
    said = error.response.get("Error", {}).get("Message", "")
    message = f"AWS refused {error.operation_name} ({name}): {said}"
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
        return Unreachable(
            message, "AWS was busy even after several tries: run the same command again in a minute"
        )
    if name in LIMIT_CODES:
        return AwsError(message, "ask for a higher quota in Service Quotas, or free what is no longer used")
    if "NotFound" in name or "NoSuch" in name:  # each service has a code of its own for it
        return AwsError(
            message,
            "deploy it, if it isn't there yet: `beanvault deploy`; else check the deployment file, --region "
            "and --profile",
        )
    return AwsError(message)
