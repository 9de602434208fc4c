#!/usr/bin/env python3
# Installs, starts, stops, upgrades, removes and purges the Debian package in a chroot, taking over from Debian's own
# memcached there. Root only: says so and ends with 1 otherwise.
# Usage: deb.py PACKAGE LATER-REVISION
import os
import pathlib
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import chroot  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent


def main():
    if os.geteuid() != 0:
        sys.exit("make deb-test needs root: it makes a chroot")
    root = chroot.copy("deb")
    packages = [pathlib.Path(word) for word in sys.argv[1:3]]
    for path in [*packages, HERE / "deb-scenario.sh"]:
        shutil.copy(path, root / "root" / path.name)
    names = [f"/root/{path.name}" for path in packages]
    print("fetching what the packages depend on", flush=True)
    prepare = (
        "printf '#!/bin/sh\\nexit 101\\n' > /usr/sbin/policy-rc.d; chmod 755 /usr/sbin/policy-rc.d; "
        "apt-get -qq update && apt-get -qq -y --no-install-recommends install memcached init-system-helpers && "
        f"apt-get -qq -y --no-install-recommends --download-only install {names[0]} && "
        "apt-get -qq -y --no-install-recommends install "
        f"$(dpkg-deb -f {names[0]} Depends | sed 's/([^)]*)//g; s/|[^,]*//g; s/,/ /g'); printf '#!/bin/sh\\nexit 0\\n' > /usr/sbin/policy-rc.d")
    done = chroot.enter(root, "sh", "-c", prepare, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"FAILED: {done.stdout[-1000:]}{done.stderr[-2000:]}")
    done = chroot.enter(root, "bash", "/root/deb-scenario.sh", *names, network=False)
    shutil.rmtree(root)
    sys.exit(done.returncode)


main()
