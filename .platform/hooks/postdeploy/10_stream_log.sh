#!/bin/bash
# Adds the app's own log to the CloudWatch agent's configuration, which the platform has just rewritten.
set -euo pipefail

agent=/opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl
configuration=/opt/elasticbeanstalk/beanvault/cloudwatch-agent.json

# The agent is installed only if the environment streams logs.
if [ -x "$agent" ]; then
    "$agent" -a append-config -m ec2 -s -c "file:$configuration"
fi
