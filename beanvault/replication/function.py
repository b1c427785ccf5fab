"""Invoking the replicator function."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.config import Config as ClientConfig
from botocore.exceptions import ClientError

from replicator.config import Config
from replicator.contract.events import REPLICATION_REQUESTED, ReplicationRequest, RequestReason
from replicator.contract.summary import NOT_CONNECTED, RunSummary
from replicator.errors import ConfigError

from ..aws import Aws, code
from ..errors import BeanvaultError, Unreachable
from ..polling import PollingClock, attempts
from ..ui import NullUi, Ui

if TYPE_CHECKING:
    from mypy_boto3_lambda.type_defs import InvocationResponseTypeDef

READ_SECONDS = 910
"""Longer than the longest run: a client that timed out earlier would send the request again."""

BUSY_SECONDS = 60
"""How long to wait for a run in progress: only one runs at a time, on purpose."""


class FunctionBusy(Unreachable):
    """Another run was in progress all the time; nothing was invoked."""


class FunctionFailed(BeanvaultError):
    """The function ran and failed. The message is its own: it names secrets and holds no value."""


@dataclass(frozen=True, slots=True)
class ReplicatorFunction:
    aws: Aws
    name: str
    ui: Ui = field(default_factory=NullUi)
    clock: PollingClock = field(default_factory=PollingClock)

    def invoke(self, event: Mapping[str, Any]) -> Mapping[str, Any]:
        """Run the function with *event* and return its result.

        Raises:
            FunctionBusy: another run was in progress for a minute
            FunctionFailed: it raised an error or timed out
        """
        answer = self._invoke_in_turn(json.dumps(event).encode())
        payload = json.loads(answer["Payload"].read() or b"null") or {}
        if answer.get("FunctionError"):
            kind = payload.get("errorType", "an error")
            raise FunctionFailed(
                f"{self.name} failed with {kind}: {payload.get('errorMessage', 'no message')}",
                f"see its log: aws logs tail /aws/lambda/{self.name}",
            )
        result: Mapping[str, Any] = payload
        return result

    def _invoke_in_turn(self, payload: bytes) -> InvocationResponseTypeDef:
        client = self.aws.client(
            "lambda", ClientConfig(read_timeout=READ_SECONDS, retries={"total_max_attempts": 1})
        )
        for passed in attempts(self.clock, BUSY_SECONDS, first=1, longest=10):
            try:
                return client.invoke(
                    FunctionName=self.name, InvocationType="RequestResponse", Payload=payload
                )
            except ClientError as error:
                if code(error) != "TooManyRequestsException":
                    raise
            if not passed:
                self.ui.step(f"{self.name} is already running: waiting up to {BUSY_SECONDS} s")
        raise FunctionBusy(
            f"{self.name} was busy for {BUSY_SECONDS} s: only one run at a time is allowed",
            "run the same command again; if it is always busy, see docs/operations.md, Throttled",
        )

    def replicate(self, sources: Sequence[str] = ()) -> Mapping[str, Any]:
        """Replicate *sources* (`<mount>/<path>`; without any, all) and return the counts.

        Raises:
            FunctionFailed: a secret could not be replicated, or no connection to Vault is stored yet
        """
        counts = self._request(sources, dry_run=False)
        if counts.get(NOT_CONNECTED):
            raise FunctionFailed(
                f"{self.name} replicated nothing: no connection to Vault is stored yet",
                "`beanvault vault init`, or `beanvault connect` if another team runs Vault",
            )
        return counts

    def dry_run(self, sources: Sequence[str] = ()) -> RunSummary:
        """Return what a run would do now.

        Raises:
            FunctionFailed: the function itself failed, or is of another version
        """
        try:
            return RunSummary.from_json(self._request(sources, dry_run=True))
        except ValueError as error:
            raise FunctionFailed(
                f"{self.name} answered with {error}", "deploy it again: `beanvault deploy replicator`"
            ) from None

    def _request(self, sources: Sequence[str], *, dry_run: bool) -> Mapping[str, Any]:
        request = ReplicationRequest(tuple(sources) or None, RequestReason.OPERATOR, dry_run)
        return self.invoke(REPLICATION_REQUESTED.event(request.detail()))

    def config(self) -> Config:
        """Return the deployed function's settings.

        Raises:
            BeanvaultError: there is no such function, or its settings are invalid
        """
        client = self.aws.client("lambda")
        try:
            described = client.get_function_configuration(FunctionName=self.name)
        except ClientError as error:
            if code(error) == "ResourceNotFoundException":
                raise BeanvaultError(
                    f"the function {self.name} does not exist", "deploy it: `beanvault deploy`"
                ) from None
            raise
        variables = described.get("Environment", {}).get("Variables", {})
        try:
            return Config.from_environ(variables | {"AWS_REGION": self.aws.region})
        except ConfigError as error:
            raise BeanvaultError(
                f"{self.name} has invalid settings: {error}", "deploy it again: `beanvault deploy replicator`"
            ) from None
