#!/bin/bash
# What happens to a Debian that gets our package, inside the chroot that deb.py made: taking over from Debian's
# memcached, start, stop, reload, upgrade, remove, purge. Prints a line a step, ends with 1 at the first that is wrong.
# $1 and $2: the package, and a later revision of it.
set -u
step=
fail() { echo "FAILED: $step: $*"; exit 1; }
begin() { step=$1; }
done_with() { echo "ok - $step${1:+: $1}"; }
# Everything but VERSION is a failure to answer.
ask() {
  local line
  exec 3<>/dev/tcp/127.0.0.1/11211 || return 1
  printf '%s\r\nquit\r\n' "$1" >&3
  while read -t 5 -r line <&3; do echo "${line%$'\r'}"; done
  exec 3>&-
}
serves() { [[ $(ask version 2>/dev/null) == "VERSION $1" ]]; }
soon() { for _ in $(seq 100); do "$@" && return 0; sleep 0.05; done; return 1; }
silent() { ! ask version >/dev/null 2>&1; }
pid() { cat /run/memcached/memcached.pid; }
apt() { apt-get -qq -y -o Dpkg::Options::=--force-confold -o Dpkg::Use-Pty=0 "$@" >/tmp/apt.log 2>&1 ||
  fail "$(tail -n 5 /tmp/apt.log)"; }

begin "Debian's memcached serves"
service memcached start >/dev/null
soon serves 1.6.18 || fail "it does not"
sed -i 's/^-m 64/-m 72/' /etc/memcached.conf
done_with

begin "install over it"
apt install "$1"
dpkg-query -W -f '${Status}' memcached 2>/dev/null | grep -q 'ok installed' && fail "memcached is still there"
soon serves 1.6.45 || fail "not serving: $(cat /tmp/apt.log)"
[[ $(ask stats) == *"limit_maxbytes $((72 << 20))"* ]] || fail "the administrator's -m 72 is lost"
done_with "serves with the configuration that was there"

begin "the process is the user's"
[[ $(stat -c %U "/proc/$(pid)") == memcache ]] || fail "$(stat -c %U "/proc/$(pid)")"
[[ $(stat -c %U /run/memcached/memcached.pid) == memcache ]] || fail "the pid file is not"
[[ $(cat "/proc/$(pid)/comm") == memcached ]] || fail "it is called $(cat "/proc/$(pid)/comm")"
done_with "memcached of memcache, pid file in /run/memcached"

begin "stop and start"
service memcached stop >/dev/null || fail "stop failed"
silent || fail "it still serves"
service memcached status >/dev/null && fail "status says running"
service memcached start >/dev/null || fail "start failed"
serves 1.6.45 || fail "start came back before it served"
service memcached status >/dev/null || fail "status says stopped"
service memcached reload >/dev/null || fail "reload failed"
sleep 0.2
serves 1.6.45 || fail "reload ended it"
done_with "started means serving; a reload is survived"

begin "a configuration that cannot work"
cp /etc/memcached.conf /tmp/good
echo '-I 1g' >>/etc/memcached.conf
service memcached stop >/dev/null
service memcached start >/dev/null && fail "start says it worked"
cp /tmp/good /etc/memcached.conf
service memcached start >/dev/null || fail "it does not recover"
done_with "start fails and says so"

begin "upgrade"
before=$(pid)
apt install "$2"
soon serves 1.6.45 || fail "not serving"
[[ $(pid) != "$before" ]] || fail "still the old process"
[[ $(dpkg-query -W -f '${Version}' swiftcached) == *-2 ]] || fail "$(dpkg-query -W swiftcached)"
[[ $(ask stats) == *"limit_maxbytes $((72 << 20))"* ]] || fail "the configuration is lost"
done_with "another process, the same configuration"

begin "files are as packed"
[[ -z $(dpkg -V swiftcached | grep -v ' c /etc/memcached.conf') ]] || fail "$(dpkg -V swiftcached)"
zcat /usr/share/man/man1/memcached.1.gz | grep -q -- 'healthcheck' || fail "no manual page"
done_with

begin "--check and --healthcheck"
# shellcheck disable=SC2046  # each word of the file is one of the command line
memcached --check $(grep ^- /etc/memcached.conf) >/tmp/check || fail "$(cat /tmp/check)"
memcached --healthcheck -l 127.0.0.1 >/dev/null || fail "healthcheck says $?"
done_with "$(tail -n 1 /tmp/check)"

begin "what the wrapper makes of lines"
cat >/tmp/lines <<'EOF'
# a comment
-d
-hidden help
logfile /var/log/memcached.log
 -m 1
-m 80 -c 50   # a remark, with a "quote
-D '#' # another

-u memcache
-l *
-p "11311"
-f '1.5'
EOF
printf '\t-v\n-t 2' >>/tmp/lines
(cd /usr && exec /usr/share/memcached/scripts/systemd-memcached-wrapper /tmp/lines) &
soon grep -qx memcached /proc/$!/comm || fail "not started in the foreground"
said=$(tr '\0' ' ' </proc/$!/cmdline)
[[ $said == "/usr/bin/memcached -m 1 -m 80 -c 50 -D # -u memcache -l * -p 11311 -f 1.5 -v -t 2 " ]] || fail "$said"
kill $!
wait $! || fail "status $?"
done_with

begin "remove"
apt remove swiftcached
silent || fail "it still serves"
[[ -e /etc/memcached.conf && ! -e /usr/bin/memcached ]] || fail "files"
done_with "stopped, configuration kept"

begin "install again, then purge"
apt install "$2"
soon serves 1.6.45 || fail "not serving"
[[ $(ask stats) == *"limit_maxbytes $((72 << 20))"* ]] || fail "the configuration is lost"
apt purge swiftcached
silent || fail "it still serves"
left=$(find /etc /lib/systemd /run /usr -path /usr/share/doc -prune -o \( -name '*memcached*' -o -name 'swiftcached*' \) -print |
  grep -v '/rc.\.d/\|\.list$' | sort)
# Debian's own package was removed, not purged: what is left must be none of ours.
[[ ! -e /etc/memcached.conf && ! -e /run/memcached && ! -e /usr/bin/swiftcached ]] || fail "$left"
done_with "${left:-nothing is left}"
