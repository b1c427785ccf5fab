#!/bin/bash
# Adds the app's own log to what the CloudWatch agent streams; the platform has just written its configuration anew.
set -euo pipefail

agent=/opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl
configuration=/opt/elasticbeanstalk/beanvault/cloudwatch-agent.json

# There is no agent unless the environment streams logs.
if [ -x "$agent" ]; then
    "$agent" -a append-config -m ec2 -s -c "file:$configuration"
fi
