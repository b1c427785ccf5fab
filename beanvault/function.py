"""The replicator function, invoked by the operator."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from replicator.config import Config
from replicator.errors import ConfigError

from .aws import Aws, code
from .errors import BeanvaultError

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

READ_SECONDS = 910
"""Longer than the longest run; a client that gave up earlier would send the request again."""


class FunctionFailed(BeanvaultError):
    """The function ran and failed; the message is its own, which names secrets and never holds a value."""


@dataclass(frozen=True, slots=True)
class Function:
    aws: Aws
    name: str

    def invoke(self, event: Mapping[str, Any]) -> Mapping[str, Any]:
        """Run the function with *event*, wait, and return what it answers.

        :raises FunctionFailed: it raised, or didn't come to an end
        """
        client: LambdaClient = self.aws.client(
            "lambda", read_timeout=READ_SECONDS, retries={"total_max_attempts": 1}
        )
        answer = client.invoke(
            FunctionName=self.name, InvocationType="RequestResponse", Payload=json.dumps(event).encode()
        )
        payload = json.loads(answer["Payload"].read() or b"null") or {}
        if answer.get("FunctionError"):
            kind = payload.get("errorType", "an error")
            raise FunctionFailed(
                f"{self.name} failed with {kind}: {payload.get('errorMessage', 'no message')}",
                f"see its log: aws logs tail /aws/lambda/{self.name}",
            )
        result: Mapping[str, Any] = payload
        return result

    def replicate(self, sources: Sequence[str] = ()) -> Mapping[str, Any]:
        """Replicate *sources* (`<mount>/<path>`; all, when none is named) and return the counts.

        :raises FunctionFailed: something couldn't be replicated
        """
        detail = {"paths": list(sources), "reason": "operator"}
        return self.invoke({"source": "beanvault", "detail-type": "Replication Requested", "detail": detail})

    def dry_run(self, sources: Sequence[str] = ()) -> Mapping[str, Any]:
        """Return what a run would do now, as `replicator.report.Report.as_json` tells it.

        :raises FunctionFailed: the function itself failed
        """
        detail = {"paths": list(sources), "reason": "operator", "dry_run": True}
        return self.invoke({"source": "beanvault", "detail-type": "Replication Requested", "detail": detail})

    def config(self) -> Config:
        """Return the settings of the function as it is deployed.

        :raises BeanvaultError: there is no such function, or it has settings it wouldn't take itself
        """
        client: LambdaClient = self.aws.client("lambda")
        try:
            described = client.get_function_configuration(FunctionName=self.name)
        except ClientError as error:
            if code(error) == "ResourceNotFoundException":
                raise BeanvaultError(
                    f"there is no function {self.name}", "deploy it: `beanvault deploy`"
                ) from None
            raise
        variables = described.get("Environment", {}).get("Variables", {})
        try:
            return Config.from_environ(variables | {"AWS_REGION": self.aws.region})
        except ConfigError as error:
            raise BeanvaultError(
                f"{self.name}: {error}", "deploy it again: `beanvault deploy replicator`"
            ) from None
