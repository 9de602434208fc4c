# A small Debian to try packages and images in: made once with debootstrap below .build, copied for each use, entered
# with processes, mounts and network of its own. Root only. Not a container engine: no layers, no registry.
import os
import pathlib
import shutil
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SUITE = "bookworm"
BASE = ROOT / ".build/chroot" / SUITE
MIRROR = os.environ.get("MIRROR", "http://deb.debian.org/debian")


def run(*command, **more):
    return subprocess.run([str(word) for word in command], check=True, **more)


def base():
    """The untouched one."""
    if not (BASE / "ready").exists():
        shutil.rmtree(BASE, ignore_errors=True)
        BASE.mkdir(parents=True)
        print(f"debootstrap {SUITE} to {BASE}", flush=True)
        run("debootstrap", "--variant=minbase", SUITE, BASE, MIRROR, stdout=subprocess.DEVNULL)
        # The machine's own way to the packages.
        for name in ("sources.list", "apt.conf.d"):
            if (pathlib.Path("/etc/apt") / name).exists():
                run("cp", "-aL", f"/etc/apt/{name}", BASE / "etc/apt")
        (BASE / "ready").touch()
    return BASE


def copy(name):
    """A fresh copy to work in."""
    root = BASE.parent / name
    if root.exists():
        shutil.rmtree(root)
    run("cp", "-a", "--reflink=auto", base(), root)
    shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
    return root


def enter(root, *command, network=True, user=None, environment=None, **more):
    """Runs a command in it; every process it leaves is ended with it."""
    apart = ["unshare", "--mount", "--pid", "--fork", "--kill-child"] + ([] if network else ["--net"])
    identity = [f"--userspec={user}"] if user else []
    script = 'mount -t proc proc "$0/proc"; '
    if not network:
        script += "ip link set lo up; "
    script += 'exec chroot ' + " ".join(identity) + ' "$0" "$@"'
    variables = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C",
                 "DEBIAN_FRONTEND": "noninteractive", **(environment or {})}
    proxies = {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}
    return subprocess.run([*apart, "sh", "-c", script, str(root), *map(str, command)],
                          env={**proxies, **variables}, **more)
