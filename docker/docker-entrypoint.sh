#!/bin/sh
# What a container starts with: options alone are options of memcached, anything else is a command of its own.
set -e
case ${1-} in
-*) set -- memcached "$@" ;;
esac
exec "$@"
