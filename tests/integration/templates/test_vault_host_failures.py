"""Story of templates/vault_layer.py and testbed/localaws/instances/.

The sample Vault host's failures: each ends the stack's creation with the reason, and nothing is published.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from beanvault.cloudformation.stack import StackError
from testbed.servers.localaws import REGION
from testbed.servers.process import require_tool
from tests.project import ROOT

from .support_vault_host import HostAccount, host_account

FOREIGN = b"not a file system"


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostAccount]:
    with host_account(tmp_path_factory.mktemp("failures")) as account:
        yield account


def _resource(resources: Any, kind: str) -> Any:
    (found,) = (one for one in resources.values() if one["Type"] == kind)
    return found["Properties"]


def _without_kms(resources: Any, _account: HostAccount) -> None:
    policy = resources["HostRoleAllow"]["Properties"]["PolicyDocument"]
    policy["Statement"] = [one for one in policy["Statement"] if one["Sid"] != "UnsealVault"]
    # A key's own policy would allow it, too.
    key = resources["VaultKey"]["Properties"]["KeyPolicy"]
    key["Statement"] = [one for one in key["Statement"] if one["Sid"] != "AllowVaultHostToUnseal"]


def _disk_in_another_zone(resources: Any, _account: HostAccount) -> None:
    resources["DataVolume"]["Properties"]["AvailabilityZone"] = f"{REGION}c"


def _corrupt_authority(resources: Any, account: HostAccount) -> None:
    """The volume is made from a snapshot, on which the CA certificate is damaged."""
    resources["DataVolume"]["Properties"]["SnapshotId"] = _snapshot(account, "tls/ca.pem", "corrupt")


def _foreign_data(resources: Any, account: HostAccount) -> None:
    """The snapshot is of a volume with another file system, or damaged: it must not be formatted."""
    resources["DataVolume"]["Properties"]["SnapshotId"] = _snapshot(account, "", "")


def _script_that_does_nothing(resources: Any, _account: HostAccount) -> None:
    _resource(resources, "AWS::EC2::LaunchTemplate")["LaunchTemplateData"]["UserData"] = {
        "Fn::Base64": "#!/bin/bash\ntrue\n"
    }
    _resource(resources, "AWS::CloudFormation::WaitCondition")["Timeout"] = "5"


def _snapshot(account: HostAccount, file: str, content: str) -> str:
    """Return a snapshot of a volume with this file, or of one with bytes that are no file system."""
    ec2 = account.aws.client("ec2")
    volume = ec2.create_volume(AvailabilityZone=f"{REGION}a", Size=20)["VolumeId"]
    image = account.aws.home / "volumes" / f"{volume}.img"
    image.parent.mkdir(exist_ok=True)
    with image.open("wb") as disk:
        disk.write(b"" if file else FOREIGN)
        disk.truncate(20 * 1024**3)
    if file:
        _run("mkfs.xfs", "-q", str(image))
        mount = image.with_suffix(".mount")
        mount.mkdir()
        _run("mount", "-o", "loop", str(image), str(mount))
        try:
            (mount / file).parent.mkdir(parents=True)
            (mount / file).write_text(content)
            (mount / file).with_name("ca.key").write_text(content)
        finally:
            _run("umount", str(mount))
    snapshot: str = ec2.create_snapshot(VolumeId=volume)["SnapshotId"]
    return snapshot


def _run(*command: str) -> None:
    subprocess.run(command, check=True, timeout=60, capture_output=True)


def test_the_scripts_pass_shellcheck() -> None:
    """CloudFormation fills in what looks like variables of the shell."""
    scripts = ("templates/functions/vault_host.sh", "testbed/localaws/instances/boot.sh")
    command = [require_tool("shellcheck"), "--severity=warning", "--exclude=SC2034,SC2154"]
    done = subprocess.run(
        [*command, *(str(ROOT / script) for script in scripts)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("name", "change", "reasons"),
    [
        (
            "kms",
            _without_kms,
            ("failed at: starting OpenBao", "AccessDenied", "kms:GenerateDataKeyWithoutPlaintext"),
        ),
        (
            "disk",
            _disk_in_another_zone,
            ("failed at: attaching the data volume", "InvalidVolume.ZoneMismatch"),
        ),
        ("authority", _corrupt_authority, ("failed at: creating the certificates", "ca.pem")),
        ("foreign", _foreign_data, ("failed at: mounting the data volume", "/srv/vault")),
        ("silent", _script_that_does_nothing, ("WaitCondition timed out. Received 0 conditions",)),
    ],
)
def test_a_host_that_fails_ends_the_creation_with_the_reason(
    account: HostAccount, name: str, change: Callable[[Any, HostAccount], None], reasons: tuple[str, ...]
) -> None:
    """The error of `beanvault deploy` says what failed; no address and no certificate are published."""
    deployment = account.deployment(name)
    account.deploy(deployment, "keys", "network")
    with pytest.raises(StackError) as failed:
        account.deploy_changed(deployment, lambda resources: change(resources, account))
    for reason in ("ROLLBACK_COMPLETE", *reasons):
        assert reason in str(failed.value)
    assert account.published(deployment) is None
    assert account.address(deployment) is None
    assert (
        account.aws.client("ec2").describe_instances(
            Filters=[
                {"Name": "tag:aws:autoscaling:groupName", "Values": [f"{name}-vault"]},
                {"Name": "instance-state-name", "Values": ["running"]},
            ]
        )["Reservations"]
        == []
    )


def test_a_volume_that_is_not_empty_is_never_formatted(account: HostAccount) -> None:
    """The volume that was made from the snapshot still begins with what was on it."""
    beginnings = {}
    for image in (account.aws.home / "volumes").glob("vol-*.img"):
        with image.open("rb") as file:
            beginnings[image.name] = file.read(len(FOREIGN))
    assert list(beginnings.values()).count(FOREIGN) == 2  # the original, and the one that the host mounted
    assert any(beginning.startswith(b"XFSB") for beginning in beginnings.values())
