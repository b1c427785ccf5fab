"""A simulated Secrets Manager: fast with 100,000 secrets, with AWS's quotas and a configurable latency.

The local AWS is accurate but slow in bulk (it reads every secret for every page). This simulation has only
what the replicator's calls read and write, and throttles calls over the quota as AWS does. Its quotas and
buckets are its own, not `replicator.limits`, so that a mistake there shows as throttling:
https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

WRITES = {"PutSecretValue", "UpdateSecret", "UpdateSecretVersionStage"}
QUOTAS: dict[str, float] = {
    "CreateSecret": 50,
    "DeleteSecret": 50,
    "RestoreSecret": 50,
    "ListSecrets": 100,
    "writes": 50,
    "tags": 50,
    "DescribeSecret": 40_000,
    "GetSecretValue": 10_000,
}
"""Requests per second; a burst of one second's requests is allowed."""
PAGE_SIZE = 100


class CallRefused(Exception):
    """An error response, with AWS's code."""


@dataclass(slots=True)
class QuotaBucket:
    """A token bucket that refuses; the replicator's own waits instead."""

    rate: float
    level: float
    filled: float = field(default_factory=time.monotonic)

    def take(self) -> bool:
        now = time.monotonic()
        self.level = min(self.rate, self.level + (now - self.filled) * self.rate)
        self.filled = now
        if self.level < 1:
            return False
        self.level -= 1
        return True


@dataclass(slots=True)
class Secret:
    name: str
    arn: str
    key: str
    tags: dict[str, str]
    stages: dict[str, list[str]]
    value: str = field(default="", repr=False)

    def dump(self) -> dict[str, Any]:
        return {
            "ARN": self.arn,
            "Name": self.name,
            "KmsKeyId": self.key,
            "Tags": [{"Key": k, "Value": v} for k, v in self.tags.items()],
            "SecretVersionsToStages": self.stages,
            "CreatedDate": 1.0,
            "LastChangedDate": 1.0,
        }


class SimulatedSecretsManager:
    """Secrets Manager's operations, by name, with their state in memory."""

    def __init__(self) -> None:
        self.secrets: dict[str, Secret] = {}
        self.by_arn: dict[str, Secret] = {}
        self.order: list[Secret] = []
        self.buckets = {name: QuotaBucket(rate, rate) for name, rate in QUOTAS.items()}
        self.counts: Counter[str] = Counter()
        self.quotas = True

    def answer(self, operation: str, body: dict[str, Any]) -> dict[str, Any]:
        self.counts[operation] += 1
        if self.quotas and not self.buckets[_quota(operation)].take():
            self.counts["throttled"] += 1
            raise CallRefused("ThrottlingException")
        result: dict[str, Any] = getattr(self, operation)(body)
        return result

    def _find(self, body: dict[str, Any]) -> Secret:
        found = self.secrets.get(body["SecretId"]) or self.by_arn.get(body["SecretId"])
        if found is None:
            raise CallRefused("ResourceNotFoundException")
        return found

    def CreateSecret(self, body: dict[str, Any]) -> dict[str, Any]:  # noqa: N802 - AWS's names
        if body["Name"] in self.secrets:
            raise CallRefused("ResourceExistsException")
        arn = f"arn:aws:secretsmanager:eu-central-1:123456789012:secret:{body['Name']}-{uuid.uuid4().hex[:6]}"
        token = body.get("ClientRequestToken", str(uuid.uuid4()))
        tags = {tag["Key"]: tag["Value"] for tag in body.get("Tags", [])}
        secret = Secret(body["Name"], arn, body.get("KmsKeyId", ""), tags, {token: ["AWSCURRENT"]})
        secret.value = body.get("SecretString", "")
        self.secrets[secret.name] = self.by_arn[arn] = secret
        self.order.append(secret)
        return {"ARN": arn, "Name": secret.name, "VersionId": token}

    def PutSecretValue(self, body: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        secret, token = self._find(body), body["ClientRequestToken"]
        if token not in secret.stages:
            current = next(v for v, stages in secret.stages.items() if "AWSCURRENT" in stages)
            secret.stages = {current: ["AWSPREVIOUS"], token: ["AWSCURRENT"]}
            secret.value = body["SecretString"]
        return {
            "ARN": secret.arn,
            "Name": secret.name,
            "VersionId": token,
            "VersionStages": secret.stages[token],
        }

    def GetSecretValue(self, body: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        secret = self._find(body)
        current = next(v for v, stages in secret.stages.items() if "AWSCURRENT" in stages)
        return {"ARN": secret.arn, "Name": secret.name, "VersionId": current, "SecretString": secret.value}

    def DescribeSecret(self, body: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        described = self._find(body).dump()
        return {**described, "VersionIdsToStages": described.pop("SecretVersionsToStages")}

    def ListSecrets(self, body: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        prefixes = [v for f in body.get("Filters", []) if f["Key"] == "name" for v in f["Values"]]
        start, size = int(body.get("NextToken") or 0), min(int(body.get("MaxResults", PAGE_SIZE)), PAGE_SIZE)
        page: list[dict[str, Any]] = []
        at = start
        while at < len(self.order) and len(page) < size:
            if not prefixes or self.order[at].name.startswith(tuple(prefixes)):
                page.append(self.order[at].dump())
            at += 1
        return {"SecretList": page, **({"NextToken": str(at)} if at < len(self.order) else {})}

    def TagResource(self, body: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        self._find(body).tags.update({tag["Key"]: tag["Value"] for tag in body["Tags"]})
        return {}

    def UntagResource(self, body: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        tags = self._find(body).tags
        for key in body["TagKeys"]:
            tags.pop(key, None)
        return {}


def _quota(operation: str) -> str:
    if operation in WRITES:
        return "writes"
    if operation in {"TagResource", "UntagResource"}:
        return "tags"
    return operation


async def serve(port: int, latency: float) -> None:
    """Serve Secrets Manager, *latency* seconds before each response, and accept EventBridge and SNS calls."""
    manager = SimulatedSecretsManager()

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.decode("latin-1").split("\r\n")
                headers = {
                    n.lower(): v.strip() for n, _, v in (line.partition(":") for line in lines[1:] if line)
                }
                content = await reader.readexactly(int(headers.get("content-length", 0)))
                if lines[0].startswith("GET /counts"):
                    status, body = 200, dict(manager.counts)
                elif lines[0].startswith("GET /quotas/"):
                    manager.quotas = lines[0].startswith("GET /quotas/on ")
                    status, body = 200, {}
                else:
                    status, body = _dispatch(manager, headers.get("x-amz-target", ""), content)
                    await asyncio.sleep(latency if manager.quotas else 0)
                data = json.dumps(body).encode()
                reason = "OK" if status == 200 else "Bad Request"
                writer.write(
                    f"HTTP/1.1 {status} {reason}\r\nContent-Type: application/x-amz-json-1.1\r\n"
                    f"Content-Length: {len(data)}\r\n\r\n".encode()
                    + data
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(connection, "127.0.0.1", port, limit=1 << 20)
    address = server.sockets[0].getsockname()
    print(json.dumps({"endpoint": f"http://127.0.0.1:{address[1]}"}), flush=True)
    await server.serve_forever()


def _dispatch(manager: SimulatedSecretsManager, target: str, content: bytes) -> tuple[int, dict[str, Any]]:
    operation = target.rpartition(".")[2]
    if target.startswith("AWSEvents"):
        entries = json.loads(content)["Entries"]
        manager.counts["PutEvents"] += 1
        return 200, {"FailedEntryCount": 0, "Entries": [{"EventId": str(uuid.uuid4())} for _ in entries]}
    if not target.startswith("secretsmanager."):
        manager.counts["other"] += 1
        return 200, {"MessageId": str(uuid.uuid4())}
    try:
        return 200, manager.answer(operation, json.loads(content))
    except CallRefused as refused:
        return 400, {"__type": str(refused), "message": str(refused)}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.02, help="seconds before each response")
    given = parser.parse_args()
    asyncio.run(serve(given.port, given.latency))
