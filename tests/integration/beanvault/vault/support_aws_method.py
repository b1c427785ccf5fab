"""The part of HashiCorp Vault's `aws` auth method that `vault init` and the function use; OpenBao lacks it.

https://developer.hashicorp.com/vault/api-docs/auth/aws
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import requests

from testbed.localaws.services.sts import ENDPOINT_HEADER
from testbed.servers.proxy import FORWARD, Behaviour, ProxiedCall, ProxyAnswer


@dataclass
class AwsMethod:
    """A proxy's rule: Vault with the method, in front of an OpenBao."""

    mount: str = "aws"
    kept: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What was written, by path below the mount."""
    enabled: bool = False
    before_1_15: bool = False
    """Whether it ignores `use_sts_region_from_client`, as it ignores every field that it does not know."""
    sts: str = ""
    """The local AWS, which stands for all of STS's endpoints."""
    make_token: Callable[[list[str]], dict[str, Any]] | None = field(default=None, repr=False)

    def rule(self, call: ProxiedCall) -> Behaviour:
        if call.path == f"/v1/sys/auth/{self.mount}":
            self.enabled = True
            return answer(None)
        if call.path == "/v1/sys/auth" and self.enabled:
            return answer({f"{self.mount}/": {"type": "aws", "accessor": "auth_aws_1"}})
        if not call.path.startswith(f"/v1/auth/{self.mount}/"):
            return FORWARD
        path = call.path.removeprefix(f"/v1/auth/{self.mount}/")
        if call.method in ("PUT", "POST"):
            body = json.loads(call.body)
            if path == "login":
                return self._login(body)
            if self.before_1_15:
                body.pop("use_sts_region_from_client", None)
            self.kept.setdefault(path, {}).update(body)
            return answer(None)
        if path == "role?list=True":
            names = [key.removeprefix("role/") for key in self.kept if key.startswith("role/")]
            return answer({"keys": names}) if names else answer(None, 404)
        return answer(self.kept[path]) if path in self.kept else answer(None, 404)

    def endpoint(self, region_of_signature: str) -> str:
        """Return the host of STS that Vault sends a signed request to: path_login.go's `pathLoginUpdateIam`.

        https://github.com/hashicorp/vault/blob/main/builtin/credential/aws/path_login.go
        """
        config = self.kept.get("config/client", {})
        if config.get("use_sts_region_from_client"):
            return f"sts.{region_of_signature}.amazonaws.com"
        return str(config.get("sts_endpoint") or "https://sts.amazonaws.com").removeprefix("https://")

    def _login(self, body: dict[str, Any]) -> ProxyAnswer:
        assert self.make_token is not None
        role = self.kept.get(f"role/{body['role']}")
        headers = json.loads(base64.b64decode(body["iam_request_headers"]))
        server_id = self.kept.get("config/client", {}).get("iam_server_id_header_value")
        if role is None:
            return refused("entry for role not found")
        if headers.get("X-Vault-AWS-IAM-Server-ID") != server_id:
            return refused("missing or wrong header X-Vault-AWS-IAM-Server-ID")
        if "x-vault-aws-iam-server-id" not in headers["Authorization"]:
            return refused("the server id is not signed")
        region = headers["Authorization"].split("Credential=")[1].split("/")[2]
        # Vault keeps the signed Host header, and connects to the endpoint that it was told.
        identity = requests.post(
            self.sts,
            data=base64.b64decode(body["iam_request_body"]),
            headers=headers | {ENDPOINT_HEADER: self.endpoint(region)},
            timeout=10,
        )
        if not identity.ok:
            return refused(f"received error code {identity.status_code} from STS: {identity.text}")
        session = re.search(r"arn:aws:sts::(\d+):assumed-role/([^/]+)/", identity.text)
        principal = f"arn:aws:iam::{session[1]}:role/{session[2]}" if session else ""
        if principal not in role["bound_iam_principal_arn"]:
            return refused("IAM Principal does not belong to the role")
        content = {"auth": self.make_token(role["token_policies"])}
        return ProxyAnswer(200, json.dumps(content).encode(), "application/json")


def answer(data: dict[str, Any] | None, status: int = 200) -> ProxyAnswer:
    body: dict[str, Any] = {"errors": []} if status == 404 else {"data": data}
    return ProxyAnswer(status, json.dumps(body).encode(), "application/json")


def refused(why: str) -> ProxyAnswer:
    return ProxyAnswer(400, json.dumps({"errors": [why]}).encode(), "application/json")
