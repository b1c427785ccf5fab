#!/bin/bash
# Starts the hourly rotation of the app's own log, or continues it with the units of this version (20-log.config).
set -euo pipefail

systemctl daemon-reload
systemctl enable beanvault-logrotate.timer
systemctl restart beanvault-logrotate.timer
