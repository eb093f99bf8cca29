#!/bin/sh
cat > /dev/null
echo node-2
