"""Record the command line as text: the real commands against the local AWS, in a pseudo-terminal.

Each recording is written to `docs/recordings` twice: as an asciicast, which keeps colours and times
(https://docs.asciinema.org/manual/asciicast/v2/), and as plain text. `scripts/record` runs this.
"""

from __future__ import annotations

import json
import os
import pty
import re
import select
import shutil
import struct
import tempfile
import termios
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fcntl import ioctl
from pathlib import Path

from testbed.servers.authority import Authority
from testbed.servers.localaws import LocalAws, clean_environment
from testbed.servers.mariadb import MariaDB
from testbed.servers.openbao import OpenBao
from testbed.servers.process import free_port

ROOT = Path(__file__).resolve().parents[1]
RECORDINGS = ROOT / "docs" / "recordings"
COLUMNS, LINES = 110, 34
TIMEOUT_SECONDS = 600
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class RecordingFailed(Exception):
    """A command exited with an unexpected status or timed out; the message has its output."""


@dataclass(slots=True)
class Session:
    """A terminal in a directory, whose output is recorded."""

    directory: Path
    environment: Mapping[str, str]
    replacements: Mapping[str, str]
    """For addresses and directories that differ between recordings, what is written in their place."""

    def record(
        self, name: str, command: str, answers: Sequence[tuple[str, str]] = (), status: int = 0
    ) -> None:
        """Run *command* in a shell, type each answer when its prompt appears, and write the two files.

        Raises:
            RecordingFailed: it exited with another status than *status*, or timed out
        """
        begin = time.monotonic()
        events: list[tuple[float, str]] = [(0.0, f"$ {command}\r\n")]
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(self.directory)
            shell = ["bash", "--norc", "-c", f"set -o pipefail; {command}"]
            os.execve("/bin/bash", shell, dict(self.environment))  # noqa: S606 - a shell is what is recorded
        ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        pending, unanswered = list(answers), ""
        while True:
            if time.monotonic() - begin > TIMEOUT_SECONDS:
                os.kill(pid, 9)
                raise RecordingFailed(f"{command} did not end within {TIMEOUT_SECONDS} s:\n{unanswered}")
            if not select.select([terminal], [], [], 1)[0]:
                continue
            try:
                data = os.read(terminal, 65536).decode(errors="replace")
            except OSError:  # the end of a pseudo-terminal
                break
            if not data:
                break
            unanswered += data
            events.append((time.monotonic() - begin, data))
            if pending and pending[0][0] in unanswered:
                os.write(terminal, f"{pending.pop(0)[1]}\n".encode())
                unanswered = ""
        exit_status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        os.close(terminal)
        if exit_status != status:
            raise RecordingFailed(
                f"{command} exited with {exit_status}:\n{''.join(text for _, text in events)}"
            )
        self._write(name, events, time.monotonic() - begin, exit_status)

    def _write(
        self, name: str, events: Sequence[tuple[float, str]], seconds: float, exit_status: int
    ) -> None:
        header = {"version": 2, "width": COLUMNS, "height": LINES, "title": f"beanvault {name}"}
        lines = [json.dumps(header)]
        lines += [json.dumps([round(at, 3), "o", self._replaced(text)]) for at, text in events]
        (RECORDINGS / f"{name}.cast").write_text("\n".join(lines) + "\n")
        text = self._replaced(ESCAPES.sub("", "".join(text for _, text in events)).replace("\r\n", "\n"))
        plain = "\n".join(line.rstrip() for line in text.splitlines())
        (RECORDINGS / f"{name}.txt").write_text(f"{plain}\n\n[exit {exit_status}, {seconds:.1f} s]\n")
        print(f"{name}: {seconds:.1f} s")

    def _replaced(self, text: str) -> str:
        for real, shown in self.replacements.items():
            text = text.replace(real, shown)
        return text


def main() -> None:
    """Start the servers, record each command in the order of a first deployment, and stop the servers."""
    with tempfile.TemporaryDirectory(prefix="recording") as scratch:
        home = Path(scratch) / "shop"
        home.mkdir()
        authority = Authority(Path(scratch) / "authority")
        mariadb = MariaDB.start(Path(scratch), authority)
        openbao = OpenBao.start(Path(scratch), authority)
        aws = LocalAws.start(Path(scratch), mariadb)
        try:
            record(home, aws, openbao, mariadb)
        finally:
            aws.stop()
            openbao.stop()
            mariadb.stop()


def record(home: Path, aws: LocalAws, openbao: OpenBao, mariadb: MariaDB) -> None:
    (home / "authority.pem").write_bytes(openbao.ca_file.read_bytes())
    environment = {
        **{k: v for k, v in clean_environment().items() if not k.startswith("VAULT_")},
        **aws.environment(),
        "PATH": f"{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}",
        "HOME": str(home),
        "TERM": "xterm-256color",
        "VAULT_ADDR": openbao.address,
        "VAULT_CACERT": "authority.pem",
    }
    audit_port = str(free_port())
    replacements = {
        audit_port: "8250",
        **({found: "/usr/local/bin/aws"} if (found := shutil.which("aws")) else {}),
        str(home): "~/shop",
        str(ROOT): "~/beanvault",
        openbao.address: "https://vault.example.com:8200",
        openbao.address.rpartition(":")[2]: "8200",
        aws.endpoint: "https://aws.example.com",
        str(mariadb.port): "3307",
    }
    session = Session(home, environment, replacements)
    session.record(
        "init",
        "beanvault init",
        [
            ("Name", "shop"),
            ("Region", "eu-central-1"),
            ("Host name of the app", ""),
            ("Vault's address ranges", "127.0.0.1/32"),
        ],
    )
    file = home / "beanvault.toml"
    # The local database and Vault have other ports than usual, and another certificate authority.
    configured = file.read_text().replace("port = 8200", f"port = {openbao.address.rpartition(':')[2]}")
    database = f'[database]\nport = {mariadb.port}\nca_file = "{mariadb.ca_file}"\nsecret_ttl_seconds = 1\n'
    file.write_text(configured.replace("[database]\n", database))
    session.record("render", "beanvault render network | head -20")
    session.record("doctor", "beanvault doctor", status=1)
    aws.client("ec2").enable_ebs_encryption_by_default()
    session.record("package", "beanvault package replicator")
    session.record("deploy", "beanvault deploy --yes")
    session.record("vault-init", "beanvault vault init --keys-file keys.json", [("unseal it?", "y")])
    session.record(
        "connect",
        "beanvault vault init --keys-file keys.json --print-connection | beanvault connect -",
    )
    token = json.loads((home / "keys.json").read_text())["root_token"]
    session.record("rotate", "beanvault rotate", [("Vault token", token)])
    session.record("replicate", "beanvault replicate")
    session.record("status", "beanvault status")
    session.record("bundle", "beanvault bundle --output bundle.zip")
    listen = f"timeout --signal INT --preserve-status 8 beanvault listen --port {audit_port}"
    session.record("listen", listen, status=130)
    topics = aws.client("sns").list_topics()["Topics"]
    topic = next(each["TopicArn"] for each in topics if each["TopicArn"].endswith(":shop-alerts"))
    aws.client("sns").subscribe(TopicArn=topic, Protocol="email", Endpoint="you@example.com")
    session.record("alerts-test", "beanvault alerts test")
    session.record("verify", "beanvault verify --html report.html")
    shutil.copy(home / "report.html", RECORDINGS / "verify.html")
    bucket = next(b["Name"] for b in aws.client("s3").list_buckets()["Buckets"] if "logbucket" in b["Name"])
    aws.client("s3").delete_bucket_encryption(Bucket=bucket)
    session.record("verify-red", "beanvault verify", status=1)
    session.record("deploy-revert-drift", "beanvault deploy --revert-drift --yes")
    session.record("destroy", "beanvault destroy", [("Type shop to delete", "shop")])
    secrets = [token, *json.loads((home / "keys.json").read_text())["unseal_keys"]]
    written = "".join(each.read_text() for each in RECORDINGS.iterdir() if each.is_file())
    if any(secret in written for secret in secrets):
        raise RecordingFailed("a recording holds a secret: delete it")


if __name__ == "__main__":
    main()
