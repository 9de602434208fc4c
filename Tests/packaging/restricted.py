#!/usr/bin/env python3
# Runs a command under the restrictions of the service unit, where systemd itself cannot run: only the capabilities to
# change user and limits, no new privileges, sockets of AF_UNIX, AF_INET and AF_INET6 alone (no netlink), no memory
# that is writable and executable, /usr, /boot and /etc read-only. To be started as root.
# Usage: restricted.py COMMAND [ARGUMENT ...]
# They are read from the unit itself, so that the test follows it. Its other lines (PrivateDevices and the like) hide
# what a cache server never looks at.

import ctypes
import os
import pathlib
import platform
import resource
import struct
import sys

UNIT = pathlib.Path(__file__).resolve().parent.parent.parent / "docker/debian/memcached.service"
FAMILIES = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10}
LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS, MS_RDONLY, MS_BIND, MS_REC, MS_PRIVATE, MS_REMOUNT = 0x20000, 1, 4096, 16384, 1 << 18, 32
EPERM, EAFNOSUPPORT = 1, 97
# Numbers of socket, mmap, mprotect.
CALLS = {"x86_64": (41, 9, 10), "aarch64": (198, 222, 226)}[platform.machine()]


def directives():
    lines = (line.partition("=") for line in UNIT.read_text().splitlines() if line[:1].isalpha())
    return {name: value for name, _, value in lines}


def called(result, what):
    if result != 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


def mount(source, target, kind, flags):
    called(LIBC.mount(source.encode(), target.encode(), kind.encode(), flags, None), f"mount {target}")


def shut_folders(unit):
    """ProtectSystem=full."""
    called(LIBC.unshare(CLONE_NEWNS), "unshare")
    mount("none", "/", "", MS_REC | MS_PRIVATE)
    assert unit["ProtectSystem"] == "full"
    for folder in ("/usr", "/boot", "/etc"):
        if os.path.isdir(folder) and not os.path.islink(folder):
            mount(folder, folder, "", MS_BIND | MS_REC)
            mount("none", folder, "", MS_BIND | MS_REMOUNT | MS_RDONLY)


def set_limit(kind, wanted):
    """As systemd sets it; a machine that does not allow so much keeps what it has."""
    try:
        resource.setrlimit(kind, (wanted, wanted))
    except (ValueError, OSError):
        pass


def filter_calls(unit):
    """RestrictAddressFamilies and MemoryDenyWriteExecute, as systemd filters them."""
    families = [FAMILIES[word] for word in unit["RestrictAddressFamilies"].split()]
    assert unit["MemoryDenyWriteExecute"] == "yes"
    socket, mmap, mprotect = CALLS
    load, equal, any_set, answer = 0x20, 0x15, 0x45, 0x06
    allow, refuse = 0x7FFF0000, 0x00050000
    program = [(load, 0, 0, 0)]
    # socket: one of the families or EAFNOSUPPORT.
    program += [(equal, 0, len(families) + 3, socket), (load, 0, 0, 16)]
    program += [(equal, len(families) - index, 0, family) for index, family in enumerate(families)]
    program += [(answer, 0, 0, refuse | EAFNOSUPPORT), (answer, 0, 0, allow)]
    # mmap: not writable and executable at once; mprotect: not executable at all.
    program += [(equal, 0, 5, mmap), (load, 0, 0, 32), (any_set, 0, 2, 4), (any_set, 0, 1, 2),
                (answer, 0, 0, refuse | EPERM), (answer, 0, 0, allow)]
    program += [(equal, 0, 3, mprotect), (load, 0, 0, 32), (any_set, 0, 1, 4), (answer, 0, 0, refuse | EPERM)]
    program += [(answer, 0, 0, allow)]
    code = b"".join(struct.pack("HBBI", *step) for step in program)
    kept = ctypes.create_string_buffer(code)
    wanted = struct.pack("HxxxxxxQ", len(program), ctypes.addressof(kept))
    called(LIBC.prctl(38, 1, 0, 0, 0), "no new privileges")
    called(LIBC.prctl(22, 2, wanted, 0, 0), "seccomp")


def main():
    unit = directives()
    if os.environ.get("RESTRICTED_STAGE") == "inner":
        del os.environ["RESTRICTED_STAGE"]
        filter_calls(unit)
        os.execvp(sys.argv[1], sys.argv[1:])
    shut_folders(unit)
    names = ",".join("+" + word.removeprefix("CAP_").lower() for word in unit["CapabilityBoundingSet"].split())
    environment = {**os.environ, "RESTRICTED_STAGE": "inner"}
    set_limit(resource.RLIMIT_NOFILE, int(unit["LimitNOFILE"]))
    set_limit(resource.RLIMIT_MEMLOCK, resource.RLIM_INFINITY)
    os.execvpe("setpriv", ["setpriv", f"--bounding-set=-all,{names}", "--inh-caps=-all", "--no-new-privs",
                           sys.executable, os.path.abspath(__file__), *sys.argv[1:]], environment)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: restricted.py COMMAND [ARGUMENT ...]")
    if os.geteuid() != 0:
        sys.exit("restricted.py must be started as root, as systemd is")
    main()
