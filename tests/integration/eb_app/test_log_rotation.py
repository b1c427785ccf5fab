"""Story of eb_app/logs.py and .ebextensions/.

The app's log on an instance: its timer, and what the timer runs, with the real logrotate.
"""

from __future__ import annotations

import grp
import logging
import os
import pwd
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from eb_app import logs
from testbed.localaws.beanstalk import proxy
from testbed.localaws.beanstalk.bundle import extensions
from testbed.localaws.beanstalk.systemd import install_systemctl
from testbed.servers.process import require_tool
from tests.project import ROOT

HOOK = ".platform/hooks/predeploy/10_rotate_log.sh"
UNITS = ("beanvault-logrotate.service", "beanvault-logrotate.timer")
LIMIT = 20 * 1024 * 1024


def files_of_the_bundle() -> dict[str, str]:
    found = {name: entry for each in extensions(ROOT) for name, entry in each.files.items()}
    return {name: str(entry["content"]) for name, entry in found.items()}


@pytest.fixture(name="instance")
def _instance(tmp_path: Path) -> Iterator[Path]:
    """A root with the bundle's files, the app's log folder and the app's logging."""
    user, group = pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(os.getgid()).gr_name
    for name, content in files_of_the_bundle().items():
        target = tmp_path / name.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        moved = proxy.instance_paths(content, tmp_path)
        target.write_text(re.sub(r"su webapp webapp", f"su {user} {group}", moved))
        target.chmod(0o644)
    folder = tmp_path / "var/log/beanvault"
    folder.mkdir(parents=True)
    folder.chmod(0o755)  # logrotate refuses a folder that others can write
    before = logging.getLogger().handlers[:]
    logs.set_up(folder / "app.log")
    yield tmp_path
    for handler in logging.getLogger().handlers:
        handler.close()
    logging.getLogger().handlers[:] = before


def systemctl(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(install_systemctl(root) / "systemctl"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def deploy(root: Path) -> subprocess.CompletedProcess[str]:
    """Run the hook of a deployment."""
    environment = {"PATH": f"{install_systemctl(root)}:{os.environ['PATH']}"}
    return subprocess.run(
        [str(ROOT / HOOK)], env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def rotate(root: Path) -> list[str]:
    """Do what the timer does every hour, and return the log's files."""
    done = systemctl(root, "start", UNITS[0])
    assert done.returncode == 0, done.stderr
    return sorted(path.name for path in (root / "var/log/beanvault").iterdir())


def test_nothing_waits_for_cron() -> None:
    """Amazon Linux 2023 has none: a file in /etc/cron.hourly would never run."""
    assert not [name for name in files_of_the_bundle() if "cron" in name]


def test_each_deployment_enables_the_timer(instance: Path) -> None:
    """Also the second on an instance; without the service the deployment fails, not the disk later."""
    for _ in range(2):
        done = deploy(instance)
        assert done.returncode == 0, done.stderr
        assert (instance / "etc/systemd/system/timers.target.wants" / UNITS[1]).is_file()
    (instance / "etc/systemd/system" / UNITS[0]).unlink()
    assert deploy(instance).returncode != 0


def test_systemd_accepts_the_units(instance: Path) -> None:
    """With the real one's own check; the timer fires every hour."""
    units = [str(instance / "etc/systemd/system" / name) for name in UNITS]
    checked = subprocess.run(
        [require_tool("systemd-analyze"), "verify", "--man=no", *units],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "beanvault" not in checked.stdout + checked.stderr
    assert checked.returncode == 0, checked.stderr
    assert "OnCalendar=hourly" in Path(units[1]).read_text()


def test_the_log_rotates_at_its_size_and_the_app_keeps_writing(instance: Path) -> None:
    """A smaller log is left alone; after the sixth rotation the oldest file is gone."""
    log = instance / "var/log/beanvault/app.log"
    logging.warning("small")
    assert rotate(instance) == ["app.log"]
    for _ in range(7):
        with log.open("a") as file:
            file.write("x" * LIMIT)
        rotate(instance)
        logging.warning("after")
        assert log.stat().st_size < 1000
    assert rotate(instance) == ["app.log", "app.log.1", *(f"app.log.{n}.gz" for n in range(2, 6))]
