#!/bin/sh
# Makes a Debian package of a built server: build.sh SERVER FOLDER. The package is left in FOLDER, and its name printed.
# It needs dpkg-dev and python3, no debhelper and no root. REVISION (default 1) tells builds of one version apart.
set -eu
server=$1
out=$2
here=$(cd "$(dirname "$0")" && pwd)
umask 022

# `memcached 1.6.45 swiftcached-0.1.0`
words=$("$server" -V)
level=$(echo "$words" | cut -d ' ' -f 2)
version=${words##*swiftcached-}-${REVISION:-1}
architecture=$(dpkg --print-architecture)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root

install -D -m 755 "$server" "$root/usr/bin/swiftcached"
strip --strip-unneeded "$root/usr/bin/swiftcached"
ln -s swiftcached "$root/usr/bin/memcached"
install -D -m 755 "$here/memcached-wrapper" "$root/usr/share/memcached/scripts/systemd-memcached-wrapper"
install -D -m 644 "$here/memcached.conf" "$root/etc/memcached.conf"
install -D -m 644 "$here/memcached.conf" "$root/usr/share/memcached/memcached.conf.default"
install -D -m 644 "$here/memcached.default" "$root/etc/default/memcached"
install -D -m 755 "$here/memcached.init" "$root/etc/init.d/memcached"
install -D -m 644 "$here/memcached.service" "$root/lib/systemd/system/memcached.service"
install -D -m 644 "$here/memcached.tmpfiles" "$root/usr/lib/tmpfiles.d/memcached.conf"
doc=$root/usr/share/doc/swiftcached
install -D -m 644 "$here/copyright" "$doc/copyright"
printf 'swiftcached (%s) unstable; urgency=medium\n\n  * See Docs/changelog.md.\n\n -- %s  %s\n' "$version" \
  'swiftcached <swiftcached@localhost>' "$(date -R -d "@${SOURCE_DATE_EPOCH:-0}")" | gzip -9n >"$doc/changelog.Debian.gz"
install -d "$root/usr/share/man/man1"
"$here/man.py" "$server" | gzip -9n >"$root/usr/share/man/man1/memcached.1.gz"
ln -s memcached.1.gz "$root/usr/share/man/man1/swiftcached.1.gz"

mkdir -p "$work/debian" "$root/DEBIAN"
: >"$work/debian/control"
depends=$(cd "$work" && dpkg-shlibdeps -O "$root/usr/bin/swiftcached" | sed 's/^shlibs:Depends=//')
size=$(du -sk --exclude=DEBIAN "$root" | cut -f 1)
sed -e "s|@VERSION@|$version|; s|@ARCHITECTURE@|$architecture|; s|@SIZE@|$size|" \
  -e "s|@DEPENDS@|$depends|; s|@LEVEL@|$level|" "$here/control.in" >"$root/DEBIAN/control"
printf '%s\n' /etc/memcached.conf /etc/default/memcached /etc/init.d/memcached >"$root/DEBIAN/conffiles"
for script in postinst prerm postrm; do install -m 755 "$here/$script" "$root/DEBIAN/$script"; done
(cd "$root" && find etc lib usr -type f -exec md5sum {} + >DEBIAN/md5sums)

mkdir -p "$out"
dpkg-deb --root-owner-group --build "$root" "$out" | sed 's/^/  /'
