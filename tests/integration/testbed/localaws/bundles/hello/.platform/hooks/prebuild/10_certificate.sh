#!/bin/sh
# A key and certificate per instance, as the load balancer wants TLS from its targets.
set -eu
mkdir -p /etc/pki/tls/private /etc/pki/tls/certs
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=instance \
    -keyout /etc/pki/tls/private/instance.key -out /etc/pki/tls/certs/instance.crt 2>/dev/null
