#!/bin/bash
# The folder of the app's own log (.ebextensions/20-log.config): the app writes it, the CloudWatch agent reads it.
set -euo pipefail

folder=/var/log/beanvault
mkdir -p "$folder"
if id webapp >/dev/null 2>&1; then
    chown webapp:webapp "$folder"
fi
chmod 755 "$folder"
