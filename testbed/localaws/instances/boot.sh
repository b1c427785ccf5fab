#!/bin/bash
# The first process of an instance, in namespaces of its own: builds the scratch root and starts systemd in it.
# Everything it mounts is gone with the instance's last process.
# Arguments: the instance's directory (user-data, console.log, root/), the tools, Python's prefix, the endpoint.
set -euo pipefail
home=$1 tools=$2 python=$3 endpoint=$4
mount --make-rprivate /
mount -t tmpfs tmpfs "$home/root"
mkdir "$home"/root/{up,work,merged}
mount -t overlay overlay -o "lowerdir=/,upperdir=$home/root/up,workdir=$home/root/work" "$home/root/merged"
root=$home/root/merged

mount -t proc proc "$root/proc"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,ro,bind "$root/proc/sys"
mount --rbind /sys "$root/sys"
# The instance's own control groups, seen from their root: two systemd in the same would kill each other's services.
mounts=$(</proc/self/mounts)
while read -r _ point type options _; do
  case "$type $options" in
    cgroup2*) umount "$root$point" && mount -t cgroup2 cgroup2 "$root$point" ;;
    "cgroup "*name=systemd*) umount "$root$point" && mount -t cgroup -o none,name=systemd cgroup "$root$point" ;;
  esac
done < <(awk -v root="$root" 'index($2, root) != 1' <<<"$mounts")
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in full null random tty urandom zero; do
  touch "$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
ln -s /proc/self/fd "$root/dev/fd"
ln -s pts/ptmx "$root/dev/ptmx"
mkdir -p "$root"/dev/{shm,pts,disk/by-id}
for folder in "$tools" "$python"; do # also when they are on another file system, or below /tmp
  mkdir -p "$root$folder"
  mount --rbind "$folder" "$root$folder"
done

# Of this machine's services none is started, and nothing that would change the kernel that it shares.
rm -rf "$root"/etc/systemd/system "$root"/etc/systemd/system.conf.d "$root"/etc/cron.d "$root"/var/lib/systemd
rm -f "$root"/etc/logrotate.d/* "$root"/etc/fstab
mkdir -p "$root"/etc/systemd/system "$root"/etc/systemd/system.conf.d "$root"/usr/local/sbin "$root"/usr/local/bin
touch "$root/etc/fstab"
for unit in systemd-sysctl systemd-modules-load systemd-remount-fs systemd-udevd systemd-logind systemd-networkd \
  systemd-resolved systemd-timesyncd systemd-binfmt apt-daily apt-daily-upgrade; do
  ln -s /dev/null "$root/etc/systemd/system/$unit.service"
done
printf '[Manager]\nDefaultEnvironment=AWS_ENDPOINT_URL=%s\n' "$endpoint" >"$root/etc/systemd/system.conf.d/aws.conf"

# What Amazon Linux 2023 has and this machine may have elsewhere.
ln -sf "$tools/aws/bin/aws" "$root/usr/local/bin/aws"
cat >"$root/usr/local/sbin/dnf" <<END
#!/bin/bash
# Takes 'dnf install -y --quiet PACKAGE…': packages of https://docs.aws.amazon.com/linux/al2023/release-notes/all-packages.html
set -euo pipefail
[ "\$1" = install ] || { echo "No such command: \$1"; exit 1; }
for package in "\${@:2}"; do
  case \$package in
    -y | --quiet) ;;
    logrotate | openssl) command -v "\$package" >/dev/null ;;
    python3.11-pip) # this machine's interpreter, which can be another version; a link would move its prefix
      printf '#!/bin/bash\nexec %s "\$@"\n' "$python/bin/python3" >/usr/local/bin/python3.11
      chmod 755 /usr/local/bin/python3.11 ;;
    *) echo "Error: Unable to find a match: \$package"; exit 1 ;;
  esac
done
END
chmod 755 "$root/usr/local/sbin/dnf"
printf '[global]\nno-index = true\nfind-links = %s\ndisable-pip-version-check = true\n' "$tools/wheels" >"$root/etc/pip.conf"

# cloud-init: it runs the user data once, when the system is up.
touch "$root/var/log/cloud-init-output.log"
mount --bind "$home/console.log" "$root/var/log/cloud-init-output.log"
install -D -m 700 "$home/user-data" "$root/var/lib/cloud/instance/scripts/part-001"
cat >"$root/etc/systemd/system/cloud-final.service" <<'END'
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/var/lib/cloud/instance/scripts/part-001
StandardOutput=append:/var/log/cloud-init-output.log
StandardError=append:/var/log/cloud-init-output.log
END
cat >"$root/etc/systemd/system/instance.target" <<'END'
[Unit]
Requires=basic.target
After=basic.target
Wants=cloud-final.service
AllowIsolate=yes
END
# The mount namespaces of units need a root that is a mount's own.
cd "$root"
mkdir -p oldroot
pivot_root . oldroot
umount -l oldroot
exec env -i container=instance PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
  chroot . /lib/systemd/systemd --system --unit=instance.target --show-status=no
