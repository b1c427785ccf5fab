"""`systemctl` on an instance: units below the instance's own directory, never the machine's.

Hooks call it by name, so it comes first on an instance's path. There is no cron, because Amazon Linux 2023
installs none: what a bundle puts into /etc/cron.* never runs. Timers are checked and enabled, and don't fire;
`systemctl start` runs a service at once.
https://docs.aws.amazon.com/linux/al2023/ug/compare-with-al2.html#cron
"""

from __future__ import annotations

from pathlib import Path

_SYSTEMCTL = r"""#!/bin/sh
units=@UNITS@
fail() { echo "$1" >&2; exit 1; }
verb=$1; shift
[ "$verb" = daemon-reload ] && exit 0
for unit in "$@"; do
    case $unit in --*) continue ;; esac
    file=$units/$unit
    [ -f "$file" ] || fail "Unit $unit not found."
    service=${unit%.timer}.service
    [ "${unit%.service}" != "$unit" ] || [ -f "$units/$service" ] || fail "Unit $service not found."
    case $verb in
        enable)
            target=$(sed -n 's/^WantedBy=//p' "$file")
            [ -n "$target" ] || fail "The unit files have no installation config: $unit"
            mkdir -p "$units/$target.wants" && ln -sf "$file" "$units/$target.wants/$unit" ;;
        start|restart)
            case $unit in *.service) sh -c "$(sed -n 's/^ExecStart=//p' "$file")" || exit 1 ;; esac ;;
        *) fail "Unknown command verb $verb." ;;
    esac
done
"""


def install_systemctl(root: Path) -> Path:
    """Write the command below an instance's *root*, and return the folder to put on the path."""
    folder = root / "usr/bin"
    folder.mkdir(parents=True, exist_ok=True)
    (root / "var/lib/logrotate").mkdir(parents=True, exist_ok=True)  # as the package logrotate has it
    command = folder / "systemctl"
    command.write_text(_SYSTEMCTL.replace("@UNITS@", str(root / "etc/systemd/system")))
    command.chmod(0o755)
    return folder
