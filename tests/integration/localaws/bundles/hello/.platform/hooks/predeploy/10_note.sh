#!/bin/sh
echo "predeploy:$(basename "$PWD")" >> commands.txt
