"""Story of templates/vault_layer.py, templates/policies/vault_host_role.py and testbed/localaws/instances/.

The sample Vault host's life: its own user data, in a scratch root, as the users that it names.

The tests of this module are one story, told in order; each leaves the host as the next finds it.
"""

from __future__ import annotations

import json
import re
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hvac
import pytest
from cryptography import x509

from beanvault.cloudformation.stack import StackError, StackOutcome
from beanvault.vault.keys import Keys
from testbed.servers.instance import BootedInstance
from testbed.servers.localaws import clean_environment
from tests.polling import until
from tests.project import ROOT

from .support_vault_host import HostAccount, host_account

NAME = "host"
PORT = 8200
SECRET = {"password": "kept-over-every-restart"}


@dataclass(frozen=True, slots=True)
class HostStory:
    account: HostAccount
    directory: Path

    @property
    def instance(self) -> BootedInstance:
        return self.account.instance(NAME)

    @property
    def keys_file(self) -> Path:
        return self.directory / "keys.json"

    @property
    def ca_file(self) -> Path:
        return self.directory / "ca.pem"

    def seal_status(self, port: int) -> dict[str, Any]:
        client = hvac.Client(url=f"https://localhost:{port}", verify=str(self.ca_file), timeout=10)
        status: dict[str, Any] = client.sys.read_seal_status()
        return status

    def unsealed(self, port: int) -> bool:
        try:
            return self.seal_status(port)["sealed"] is False
        except OSError:
            return False

    def read_secret(self) -> Any:
        """Return the secret, once the host has unsealed itself: nobody gives it a key."""
        with self.instance.tunnel(PORT) as port:
            until(lambda: self.unsealed(port))
            token = Keys.read(self.keys_file).root_token
            client = hvac.Client(url=f"https://localhost:{port}", verify=str(self.ca_file), token=token)
            return until(lambda: _read(client), 30)


def _read(client: hvac.Client) -> Any:
    try:
        return client.secrets.kv.v2.read_secret_version("test", raise_on_deleted_version=True)["data"]["data"]
    except (hvac.exceptions.VaultDown, hvac.exceptions.InternalServerError):  # the leader is not elected yet
        return None


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostStory]:
    directory = tmp_path_factory.mktemp("vault-host")
    with host_account(directory) as account:
        yield HostStory(account, directory)


def test_the_stack_is_complete_once_the_host_answers(
    story: HostStory, record_property: Callable[[str, object], None]
) -> None:
    """The CA certificate and the address are published then; the milestones are in the console's log."""
    account, deployment = story.account, story.account.deployment(NAME)
    results = account.deploy(deployment, "keys", "network", "vault")
    assert [result.outcome for result in results] == [StackOutcome.CREATED] * 3
    record_property("the sample Vault host: seconds until its stack is complete", round(results[-1].seconds))
    certificate = account.published(deployment)
    assert certificate is not None
    story.ca_file.write_text(certificate)
    described = account.aws.client("ec2").describe_instances(InstanceIds=[story.instance.id])
    (instance,) = described["Reservations"][0]["Instances"]
    assert account.address(deployment) == instance["PrivateIpAddress"]
    milestones = re.findall(r"^vault-host: +\d+ s: (.*)$", story.instance.console, re.MULTILINE)
    assert milestones[1:] == [
        "formatted the new volume",
        "the data volume is mounted",
        "OpenBao is installed",
        "the certificates are created",
        "OpenBao answers",
        "published",
    ]


def test_owners_and_modes_do_not_depend_on_the_image(story: HostStory) -> None:
    """The service's user reads what it needs, and neither the CA's key nor the encrypted seal key."""
    listed = story.instance.run(
        *("stat", "--format", "%n %U:%G %a", "/etc/openbao.hcl", "/srv/vault/raft", "/srv/vault/audit"),
        *("/srv/vault/tls", "/srv/vault/tls/ca.key", "/srv/vault/tls/ca.pem", "/srv/vault/tls/host.pem"),
        *("/srv/vault/seal", "/srv/vault/seal/key.kms", "/run/openbao/seal.key", "/opt/openbao"),
    )
    assert listed.splitlines() == [
        "/etc/openbao.hcl root:openbao 640",
        "/srv/vault/raft openbao:openbao 700",
        "/srv/vault/audit openbao:openbao 700",
        "/srv/vault/tls root:openbao 750",
        "/srv/vault/tls/ca.key root:root 600",
        "/srv/vault/tls/ca.pem root:root 644",
        "/srv/vault/tls/host.pem root:openbao 640",
        "/srv/vault/seal root:root 700",
        "/srv/vault/seal/key.kms root:root 600",
        "/run/openbao/seal.key openbao:openbao 600",
        "/opt/openbao root:root 755",
    ]
    user = story.instance.run("ps", "-C", "bao", "-o", "user=").strip()
    assert user == "openbao"
    assert story.instance.run("stat", "--file-system", "--format", "%T", "/run/openbao").strip() == "tmpfs"


def test_vault_init_initialises_it(story: HostStory) -> None:
    """By the operator's own command, through a tunnel; KMS unseals it, so the shares are recovery keys."""
    config = story.directory / "beanvault.toml"
    config.write_text(f'name = "{NAME}"\nregion = "eu-central-1"\n[vault]\nwhere = "host"\n')
    with story.instance.tunnel(PORT) as port:
        assert story.seal_status(port)["initialized"] is False
        command = [sys.executable, "-m", "beanvault", "--config", str(config), "vault", "init", "--yes"]
        command += ["--print-connection", "--keys-file", str(story.keys_file)]
        done = subprocess.run(
            command,
            env=clean_environment()
            | story.account.aws.environment()
            | {"VAULT_ADDR": f"https://localhost:{port}", "VAULT_CACERT": str(story.ca_file)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            cwd=ROOT,
        )
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["address"] == f"https://vault.{NAME}.internal:{PORT}"
        status = story.seal_status(port)
        assert (status["sealed"], status["recovery_seal"], status["type"]) == (False, True, "static")
        keys = Keys.read(story.keys_file)
        assert keys.recovery
        client = hvac.Client(
            url=f"https://localhost:{port}", verify=str(story.ca_file), token=keys.root_token
        )
        client.sys.enable_secrets_engine("kv", "secret", options={"version": "2"})
        until(lambda: _written(client))
    on_disk = story.instance.run(
        "grep", "-rlF", keys.root_token, "/srv/vault", "/var/log", "/etc", check=False
    )
    assert on_disk == ""
    # The negative control: what is written is found.
    assert "openbao.hcl" in story.instance.run("grep", "-rlF", f"vault.{NAME}.internal", "/etc")


def _written(client: hvac.Client) -> bool:
    try:
        client.secrets.kv.v2.create_or_update_secret("test", SECRET)
    except hvac.exceptions.InvalidRequest:  # the mount is being upgraded
        return False
    return True


def test_a_restart_unseals_by_kms(story: HostStory) -> None:
    """KMS is asked at each start: the plain key is gone with the service that used it."""
    decrypted = story.account.calls("Decrypt")
    story.instance.run("systemctl", "stop", "openbao")
    assert "No such file" in story.instance.run("ls", "/run/openbao/seal.key", check=False)
    story.instance.run("systemctl", "start", "openbao")
    assert story.read_secret() == SECRET
    assert story.account.calls("Decrypt") == decrypted + 1


def test_a_crash_is_restarted(story: HostStory) -> None:
    """As is everything that systemd restarts: without an operator."""
    story.instance.run("systemctl", "kill", "--signal=KILL", "openbao")
    assert story.read_secret() == SECRET


def test_the_certificate_is_renewed(story: HostStory) -> None:
    """The timer's command; connections verify it strictly, as Python 3.13 does, with the published CA."""
    assert "openbao-certificate.timer" in story.instance.run("systemctl", "list-timers", "--no-pager")
    with story.instance.tunnel(PORT) as port:
        before = _certificate(story.ca_file, port)
        process = story.instance.run("systemctl", "show", "--property=MainPID", "openbao")
        story.instance.run("systemctl", "start", "openbao-certificate.service")
        until(lambda: _certificate(story.ca_file, port).serial_number != before.serial_number)
        assert story.unsealed(port)
    assert story.instance.run("systemctl", "show", "--property=MainPID", "openbao") == process


def _certificate(ca_file: Path, port: int) -> x509.Certificate:
    context = ssl.create_default_context(cafile=str(ca_file))
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=f"vault.{NAME}.internal") as secured,
    ):
        der = secured.getpeercert(binary_form=True)
    assert der is not None
    return x509.load_der_x509_certificate(der)


def test_the_audit_log_is_rotated(story: HostStory) -> None:
    """OpenBao goes on with a new file."""
    story.instance.run("logrotate", "--force", "/etc/logrotate.d/openbao")
    assert story.read_secret() == SECRET
    sizes = story.instance.run("stat", "--format", "%n %s", "/srv/vault/audit/audit.log")
    assert int(sizes.split()[1]) > 0
    assert "audit.log.1.gz" in story.instance.run("ls", "/srv/vault/audit")


def test_a_replaced_host_takes_over_the_data(story: HostStory) -> None:
    """Auto Scaling replaces it outside of any stack operation; DNS follows."""
    account, old = story.account, story.instance
    deployment = account.deployment(NAME)
    address = account.address(deployment)
    account.aws.client("autoscaling").terminate_instance_in_auto_scaling_group(
        InstanceId=old.id, ShouldDecrementDesiredCapacity=False
    )
    until(lambda: "s: published" in story.instance.console)
    assert story.instance.id != old.id
    assert "the volume has data" in story.instance.console
    assert story.read_secret() == SECRET
    assert account.address(deployment) != address
    assert account.published(deployment) == story.ca_file.read_text()


def test_a_change_that_breaks_the_host_is_rolled_back(story: HostStory) -> None:
    """The reason is in the error; the previous host comes back, and then the change succeeds."""
    account, instance = story.account, story.instance
    instance.run("mv", "/srv/vault/tls/ca.pem", "/srv/vault/tls/ca.pem.kept")
    instance.run("sh", "-c", "echo corrupt >/srv/vault/tls/ca.pem")
    changed = account.deployment(NAME, instance_type="t3.medium")
    with pytest.raises(StackError) as failed:
        account.deploy(changed, "vault")
    assert "The Vault host failed at: creating the certificates" in str(failed.value)
    rolled_back = story.instance
    until(lambda: "s: failed" in rolled_back.console)
    rolled_back.run("mv", "/srv/vault/tls/ca.pem.kept", "/srv/vault/tls/ca.pem")
    (result,) = account.deploy(changed, "vault")
    assert result.outcome is StackOutcome.UPDATED
    assert story.read_secret() == SECRET
