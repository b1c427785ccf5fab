"""One running instance."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from ..beanstalk.metadata import InstanceMetadata, MetadataService
from .network import METADATA_ADDRESS, InstanceNetwork
from .volumes import BlockDevice

_LOOP_MAJOR = 7
_BOOT = Path(__file__).with_name("boot.sh")
_ENTER_GROUPS = """
while read -r _ point type options _; do
  case "$type $options" in
    cgroup2* | "cgroup "*name=systemd*) mkdir "$point/$0" && echo $$ >"$point/$0/cgroup.procs" ;;
  esac
done </proc/self/mounts
exec "$@"
"""
"""Enters control groups of its own, named by the first argument, and becomes the command of the others."""
_NAMESPACES = ("--mount", "--uts", "--ipc", "--cgroup", "--pid", "--fork", "--kill-child=KILL")


@dataclass(frozen=True, slots=True)
class MachineLaunch:
    """What an instance is started with."""

    home: Path
    """A new directory: the console's log, the user data and the process id are in it."""
    metadata: InstanceMetadata
    user_data: bytes = field(repr=False)
    tools: Path
    endpoint: str


class Machine:
    """A scratch root with systemd as its first process."""

    def __init__(self, launch: MachineLaunch) -> None:
        self._home, self._closing = launch.home, ExitStack()
        self._groups = f"localaws-{launch.home.name}-{os.getpid()}"
        self._closing.callback(_remove_groups, self._groups)
        self._devices: list[BlockDevice] = []
        home = launch.home
        home.mkdir(parents=True, mode=0o700)
        (home / "root").mkdir()
        (home / "user-data").write_bytes(launch.user_data)
        (home / "console.log").touch()
        try:
            network = InstanceNetwork(launch.metadata.address)
            self._closing.callback(network.close)
            network.relay(urlsplit(launch.endpoint).port or 80)
            imds = MetadataService(
                launch.metadata, token_required=True, listener=network.listen(METADATA_ADDRESS, 80)
            )
            self._closing.callback(imds.close)
            # It ends with the network's thread, which ends with this process, even after a crash.
            command = [
                "setpriv",
                "--pdeathsig",
                "KILL",
                "bash",
                "-c",
                _ENTER_GROUPS,
                self._groups,
                "unshare",
                *_NAMESPACES,
                "bash",
                str(_BOOT),
                str(home),
                str(launch.tools),
            ]
            command += [sys.base_prefix, launch.endpoint]
            with (home / "boot.log").open("wb") as log:
                self._process = network.run(
                    lambda: subprocess.Popen(
                        command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
                    )
                )
            self._closing.callback(self._kill)
            self._root = Path(f"/proc/{self._init()}/root")
            (home / "pid").write_text(self._root.parent.name)
        except BaseException:
            self.stop()
            raise

    def attach(self, volume_id: str, device: BlockDevice) -> None:
        """Show the volume as Nitro instances do: `/dev/nvme1n1`, and a link with its id.

        https://docs.aws.amazon.com/ebs/latest/userguide/nvme-ebs-volumes.html
        """
        self._devices.append(device)
        name = f"nvme{len(self._devices)}n1"
        os.mknod(self._root / "dev" / name, stat.S_IFBLK | 0o600, os.makedev(_LOOP_MAJOR, device.number))
        link = f"nvme-Amazon_Elastic_Block_Store_{volume_id.replace('-', '')}"
        (self._root / "dev/disk/by-id" / link).symlink_to(f"../../{name}")

    def stop(self) -> None:
        """End it as a power failure does."""
        self._closing.close()
        for device in self._devices:
            device.close()
        self._devices.clear()

    def _init(self) -> int:
        """Return the process id of systemd, once `boot.sh` has become it."""
        parent = self._process.pid
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and self._process.poll() is None:
            children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
            if children and Path(f"/proc/{children[0]}/comm").read_text().strip() == "systemd":
                return int(children[0])
            time.sleep(0.05)
        raise OSError(f"the scratch root did not boot: {self._log()}")

    def _log(self) -> str:
        return (self._home / "boot.log").read_text(errors="replace")[-500:]

    def _kill(self) -> None:
        if self._process.poll() is None:
            os.kill(self._process.pid, signal.SIGKILL)
        self._process.wait(20)


def _remove_groups(name: str) -> None:
    """Remove an instance's control groups, which its last process has left."""
    for folder in Path("/sys/fs/cgroup").glob(f"**/{name}"):
        for group, _, _ in os.walk(folder, topdown=False):
            with suppress(OSError):
                Path(group).rmdir()
