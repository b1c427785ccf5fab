#!/bin/sh
echo "postdeploy:$(basename "$PWD")" >> commands.txt
