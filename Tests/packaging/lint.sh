#!/bin/bash
# Lints what shells, systemd and Debian read. A linter that is not installed is named and passed over. $@: packages.
set -u -o pipefail
cd "$(dirname "$0")/../.." || exit 1
failed=0
lint() {
  name=$1
  shift
  if ! command -v "$1" >/dev/null; then
    echo "skipped: $1 is not installed"
  elif "$@"; then
    echo "ok - $name"
  else
    echo "FAILED: $name"
    failed=1
  fi
}
scripts="docker/docker-entrypoint.sh docker/docker-healthcheck.sh docker/debian/build.sh docker/debian/memcached-wrapper
  docker/debian/memcached.init docker/debian/postinst docker/debian/prerm docker/debian/postrm
  Tests/packaging/lint.sh Tests/packaging/deb-scenario.sh"
for script in $scripts; do lint "$script" shellcheck --severity=warning -x -e SC1091 "$script"; done

# The unit names programs that only an installed machine has: links in their place satisfy the check.
unit=$(mktemp -d)
sed 's|^ExecStart=.*|ExecStart=/bin/true|' docker/debian/memcached.service >"$unit/memcached.service"
lint "the unit is read without complaint" systemd-analyze verify --man=no "$unit/memcached.service"
exposure() { systemd-analyze security --offline=true --threshold=30 --no-pager "$unit/memcached.service" | tail -n 1; }
lint "exposure of the unit at most 3.0" exposure
rm -rf "$unit"
lint "YAML" python3 -c 'import sys, yaml
for name in sys.argv[1:]: list(yaml.safe_load_all(open(name)))' docker/compose.yaml docker/kubernetes/*.yaml
for package in "$@"; do
  # The project has no mail address yet, and is not in Debian.
  lint "lintian $package" lintian --fail-on error --allow-root \
    --suppress-tags bogus-mail-host,bogus-mail-host-in-debian-changelog,initial-upload-closes-no-bugs "$package"
done
exit $failed
