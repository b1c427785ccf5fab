#!/bin/sh
echo "predeploy:$(basename "$PWD")" >> commands.txt
mkdir -p /var/log/hello
echo 'a line of its own' > /var/log/hello/app.log
