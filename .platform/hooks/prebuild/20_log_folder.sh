#!/bin/bash
# A folder for the app's own log (.ebextensions/20-log.config): written by the app's user, read by the CloudWatch agent.
set -euo pipefail

folder=/var/log/beanvault
mkdir -p "$folder"
if id webapp >/dev/null 2>&1; then
    chown webapp:webapp "$folder"
fi
chmod 755 "$folder"
