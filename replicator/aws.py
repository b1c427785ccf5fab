"""The one place that creates boto3 clients and translates their failures."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import boto3
import botocore.session
from botocore.client import BaseClient
from botocore.config import Config as ClientConfig
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    IncompleteReadError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
)
from botocore.parsers import ResponseParserError

from .errors import (
    ConfigError,
    OutOfTime,
    TargetDenied,
    TargetError,
    TargetMissing,
    TargetThrottled,
    TargetUnavailable,
)
from .limits import TokenBucket, keep_quotas, token_buckets

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sts import STSClient

WORKERS = 16
"""Calls at once. 50 writes a second of 100 ms each keep five busy; the others are for slow calls."""

CONNECT_SECONDS = 3
READ_SECONDS = 7
ATTEMPTS = 5
# Standard mode retries throttling, 5xx and cut connections with exponential, jittered pauses:
# https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
LONGEST_PAUSE_SECONDS = 2 ** (ATTEMPTS - 2)
LONGEST_SECONDS = CONNECT_SECONDS + READ_SECONDS + LONGEST_PAUSE_SECONDS
"""From one check of the time left to the next, at worst."""

CLIENT_CONFIG = ClientConfig(
    connect_timeout=CONNECT_SECONDS,
    read_timeout=READ_SECONDS,
    retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
    max_pool_connections=WORKERS,
    tcp_keepalive=True,
)

MODELS = Path(__file__).with_name("aws_models")
"""What is added to botocore's own models: the operations that the botocore of Lambda's runtime may not know.

GetWebIdentityToken came on 2025-11-19, and Lambda follows weeks or months later:
https://docs.aws.amazon.com/lambda/latest/dg/lambda-python.html#python-sdk-included
"""

_DENIED = frozenset({"AccessDeniedException", "AccessDenied", "AuthorizationError"})
# Messages about signatures repeat the request's headers, and with them a session token.
_CREDENTIALS = frozenset(
    {
        *("UnrecognizedClientException", "InvalidClientTokenId", "InvalidAccessKeyId"),
        *("ExpiredTokenException", "ExpiredToken", "RequestExpired"),
        *("InvalidSignatureException", "SignatureDoesNotMatch", "IncompleteSignature"),
    }
)
_FEDERATION_IS_OFF = "OutboundWebIdentityFederationDisabledException"
_THROTTLED = frozenset(
    {"ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded"}
)
_KEY = frozenset({"EncryptionFailure", "DecryptionFailure", "KMSAccessDeniedException"})

Answer = TypeVar("Answer")
Client = TypeVar("Client", bound=BaseClient)


class Clients:
    """The function's AWS clients, each created when first needed and kept for warm invocations.

    No request is sent or repeated once *in_time* returns False: `OutOfTime` is raised instead.
    """

    def __init__(
        self,
        session: boto3.session.Session | None = None,
        client_config: ClientConfig = CLIENT_CONFIG,
        quotas: Mapping[str, TokenBucket] | None = None,
    ) -> None:
        self.session = session or lean_session()
        self._client_config = client_config
        self._quotas = token_buckets() if quotas is None else quotas
        self.in_time: Callable[[], bool] = lambda: True
        # At level DEBUG botocore logs parameters, and with them values. A logger's own level takes precedence
        # over the root's, so INFO would add its messages where only warnings are expected.
        logging.getLogger("botocore").setLevel(logging.WARNING)

    @cached_property
    def secretsmanager(self) -> SecretsManagerClient:
        """The first that a run uses; raises `ConfigError` where AWS's own settings are wrong."""
        if self.session.region_name is None:
            raise ConfigError(["AWS_REGION is not set"])
        with _aws_settings():
            client = self.session.client("secretsmanager", config=self._client_config)
        return keep_quotas(self._guarded(client), self._quotas)

    @cached_property
    def sns(self) -> SNSClient:
        return self._guarded(self.session.client("sns", config=self._client_config))

    @cached_property
    def events(self) -> EventBridgeClient:
        return self._guarded(self.session.client("events", config=self._client_config))

    @cached_property
    def sts(self) -> STSClient:
        return self._guarded(self.session.client("sts", config=self._client_config))

    def _guarded(self, client: Client) -> Client:
        # The client's events, not the session's: others may stream bodies, or ask for heads only.
        client.meta.events.register("before-send", self._check_time)
        client.meta.events.register("before-parse", _refuse_partial_response)
        return client

    def _check_time(self, event_name: str, **_: object) -> None:
        if not self.in_time():
            raise OutOfTime(f"no time was left for {event_name.rpartition('.')[2]}")


def lean_session() -> boto3.session.Session:
    """Return a session that does not parse AWS's times.

    No time of AWS is used here, and parsing three for each secret is more than half the work of a listing.
    AWS_REGION comes first, as in AWS's other tools: boto3 itself does not read it.

    Raises:
        ConfigError: AWS's own settings are wrong.
    """
    with _aws_settings():
        core = botocore.session.get_session()
        core.get_component("data_loader").search_paths.append(str(MODELS))
        # GetWebIdentityToken is not available at STS's global endpoint, which older clients prefer.
        core.set_config_variable("sts_regional_endpoints", "regional")
        core.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=lambda text: text)
        return boto3.session.Session(region_name=os.environ.get("AWS_REGION") or None, botocore_session=core)


@contextmanager
def _aws_settings() -> Iterator[None]:
    """Raise `ConfigError` where AWS's variables or files are wrong.

    No call is made yet, so botocore's message can only be about these; it names settings, and repeats no key.
    """
    try:
        yield
    except (BotoCoreError, ValueError) as failure:
        raise ConfigError([f"AWS's own settings: {failure}"]) from None


def _refuse_partial_response(response_dict: Mapping[str, Any], **_: object) -> None:
    """Raise where the connection was cut within the body, which botocore takes for an empty response."""
    expected = response_dict["headers"].get("Content-Length")
    if expected is not None and int(expected) != (got := len(response_dict["body"])):
        raise IncompleteReadError(actual_bytes=got, expected_bytes=expected)


def call(operation: Callable[..., Answer], what: str, /, **parameters: Any) -> Answer:
    """Call *operation*; raise the `TargetError` whose class tells what to do next. *what* is named in it.

    AWS's own message is passed on only for refusals, which name principals, actions and resources: other
    messages may repeat a parameter, and with it a value. The original is suppressed for the same reason.
    """
    try:
        return operation(**parameters)
    except ClientError as failure:
        error = _translate(what, failure)
    except ParamValidationError:
        error = TargetError(f"{what}: botocore refused the parameters")
    except (NoCredentialsError, PartialCredentialsError):
        error = TargetDenied(f"{what}: there are no AWS credentials")
    except (BotoCoreError, ResponseParserError) as failure:
        error = TargetUnavailable(f"{what}: AWS can't be reached ({type(failure).__name__})")
    raise error from None


def _translate(what: str, failure: ClientError) -> TargetError:
    code = failure.response.get("Error", {}).get("Code", "?")
    status = failure.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _DENIED:
        return TargetDenied(f"{what}: {failure.response['Error'].get('Message', code)}")
    if code in _CREDENTIALS:
        return TargetDenied(
            f"{what}: the AWS credentials are not accepted ({code}); renew them, or correct the clock"
        )
    if code == _FEDERATION_IS_OFF:
        return TargetDenied(
            f"{what}: the account issues no tokens to its roles; enable them: "
            "`aws iam enable-outbound-web-identity-federation`"
        )
    if code in _KEY:
        return TargetDenied(f"{what}: the KMS key refuses ({code}); check its policy and its state")
    if code in _THROTTLED or status == 429:
        return TargetThrottled(f"{what}: throttled ({code}) until no retry was left")
    if code == "ResourceNotFoundException":
        return TargetMissing(f"{what}: it does not exist")
    if status >= 500:
        return TargetUnavailable(f"{what}: AWS failed ({code}, status {status})")
    return TargetError(f"{what}: refused ({code})")
