#!/bin/bash
# Creates this instance's own key and certificate before nginx's configuration is checked. The key never leaves it.
set -euo pipefail

certificate=/etc/pki/tls/certs/beanvault.crt
key=/etc/pki/tls/private/beanvault.key
month=2592000

if [ -s "$key" ] && openssl x509 -in "$certificate" -noout -checkend "$month" >/dev/null 2>&1; then
    exit 0
fi

mkdir -p "$(dirname "$certificate")" "$(dirname "$key")"
umask 277
rm -f "$key.new" "$certificate.new"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -sha256 -days 825 \
    -subj "/CN=beanvault instance" -addext "subjectAltName=DNS:localhost" \
    -keyout "$key.new" -out "$certificate.new" 2>/dev/null
chmod 444 "$certificate.new"
mv -f "$key.new" "$key"
mv -f "$certificate.new" "$certificate"
