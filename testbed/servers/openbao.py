"""A real OpenBao as a server: Raft storage, TLS, not initialised."""

from __future__ import annotations

import os
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import hvac

from .authority import Authority
from .process import Process, ServerError, free_port, require_tool

# The performance multiplier's default of 5 gives slow machines time to elect a leader; a single node would
# wait 8 s without need.
CONFIGURATION = """\
ui = false
api_addr = "{address}"
cluster_addr = "https://127.0.0.1:{cluster_port}"
storage "raft" {{
  path = "{data}/raft"
  node_id = "one"
  performance_multiplier = 1
}}
listener "tcp" {{
  address = "127.0.0.1:{port}"
  cluster_address = "127.0.0.1:{cluster_port}"
  tls_cert_file = "{pair.certificate}"
  tls_key_file = "{pair.key}"
  tls_min_version = "tls12"
}}
"""
AUDIT = """\
audit "file" "file" {{
  options {{
    file_path = "{data}/audit.log"
  }}
}}
"""
PUSH = """\
audit "http" "push" {{
  options {{
    uri = "{address}"
  }}
}}
"""


def hashicorp() -> str | None:
    """Return HashiCorp Vault's program, if BEANVAULT_VAULT names one to run instead of OpenBao.

    Its configuration cannot declare audit devices: `enable_audit` enables one.
    """
    return os.environ.get("BEANVAULT_VAULT")


@dataclass(frozen=True, slots=True)
class OpenBao:
    address: str
    ca_file: Path
    process: Process
    configuration: Path

    @classmethod
    def start(
        cls, directory: Path, authority: Authority, audit_address: str | None = None, seal: str = ""
    ) -> OpenBao:
        """Start a server with its data below *directory*; it answers, but is not initialised.

        *audit_address* (an http URL) receives the audit records besides the file `audit.log`. Both are
        declared here because OpenBao takes audit devices from its configuration only; the file stays so that
        the other's end never stops the server (https://openbao.org/docs/audit/). *seal* is the stanza of a
        seal that unseals automatically; without one the server waits for its unseal keys.
        """
        if audit_address is not None and hashicorp():
            raise ServerError("HashiCorp Vault has no http audit device: unset BEANVAULT_VAULT for this")
        data = directory / "openbao"
        data.mkdir(parents=True, mode=0o700)
        (data / "raft").mkdir()
        pair = authority.issue("openbao")
        port, cluster_port = free_port(), free_port()
        address = f"https://127.0.0.1:{port}"
        configuration = data / "server.hcl"
        configuration.write_text(
            CONFIGURATION.format(
                address=address,
                port=port,
                cluster_port=cluster_port,
                data=data,
                pair=pair,
            )
            + ("disable_mlock = true\n" if hashicorp() else AUDIT.format(data=data))
            + ("" if audit_address is None else PUSH.format(address=audit_address))
            + seal
        )
        return cls._run(address, authority.ca_file, configuration)

    def restarted(self) -> OpenBao:
        """Stop the server and start it again with its data."""
        self.stop()
        return self._run(self.address, self.ca_file, self.configuration)

    @classmethod
    def _run(cls, address: str, ca_file: Path, configuration: Path) -> OpenBao:
        command = [require_tool(hashicorp() or "bao"), "server", f"-config={configuration}"]
        process = Process.start(
            "Vault" if hashicorp() else "OpenBao", command, configuration.with_name("server.log")
        )
        server = cls(address, ca_file, process, configuration)
        process.wait_until(server._answers)
        return server

    @property
    def audit_log(self) -> Path:
        return self.configuration.with_name("audit.log")

    def enable_audit(self, client: hvac.Client) -> None:
        """Let HashiCorp Vault write `audit_log`, as OpenBao does by its configuration."""
        if hashicorp():
            client.sys.enable_audit_device("file", options={"file_path": str(self.audit_log)})

    def stop(self) -> None:
        self.process.stop()

    def _answers(self) -> bool:
        context = ssl.create_default_context(cafile=str(self.ca_file))
        try:
            with urllib.request.urlopen(f"{self.address}/v1/sys/seal-status", timeout=5, context=context):  # noqa: S310 - our own https address
                return True
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
