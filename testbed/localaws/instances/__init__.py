"""EC2 instances of Auto Scaling groups, which really boot and run their user data.

An instance is a *scratch root*: a copy-on-write view of this machine's root directory, with systemd as its
first process, in namespaces of its own. Its user data is run as root, byte for byte, and its units under the
users that they name, with systemd's own restrictions. Stand-ins, each as thin as possible:

- the metadata service, at 169.254.169.254 in the instance's network, with the credentials of its role;
- the network: loopback, and this server at its own address; nothing else is reachable;
- EBS volumes: files, attached as block devices under the names that they have on Nitro instances;
- `dnf`: it checks that the packages exist in Amazon Linux 2023 and expects their programs on this machine;
- `aws`: the AWS CLI, version 1 from PyPI instead of version 2;
- PyPI: a directory of packages, which pip installs from after checking its hashes.

It needs root and Linux namespaces. Without `--instance-tools` a group with instances is refused.
"""

from __future__ import annotations

from ..settings import LocalAwsSettings
from .groups import Groups

_groups: Groups | None = None


def install(settings: LocalAwsSettings) -> None:
    """Let Auto Scaling groups boot their instances."""
    global _groups
    _groups = Groups(settings)
    _groups.install()


def close() -> None:
    """End all instances."""
    if _groups:
        _groups.close()
