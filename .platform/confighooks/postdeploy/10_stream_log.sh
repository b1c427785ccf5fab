#!/bin/bash
# A change of options also rewrites the agent's configuration.
exec /var/app/current/.platform/hooks/postdeploy/10_stream_log.sh
