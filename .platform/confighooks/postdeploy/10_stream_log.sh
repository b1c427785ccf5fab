#!/bin/bash
# A change of options writes the agent's configuration anew, too.
exec /var/app/current/.platform/hooks/postdeploy/10_stream_log.sh
