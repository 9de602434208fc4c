#!/usr/bin/env python3
# The server under the restrictions of the service unit: started as root with three capabilities, it changes its user,
# writes its pid file where only that user may, listens, serves and stops. Prints what was seen; ends with 1 when
# something was not as it should be. Without root, or where namespaces are forbidden, it says so and ends with 0.
# Usage: unit.py     SERVER is the environment's path of the server, .build/debug/swiftcached by default
import os
import pathlib
import pwd
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
SERVER = os.path.abspath(os.environ.get("SERVER") or HERE.parent.parent / ".build/debug/swiftcached")
RESTRICTED = [sys.executable, str(HERE / "restricted.py")]
PROBES = {
    "netlink is refused": "import socket; socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
    "memory to run is refused": "import mmap; mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC)",
    "/etc is read-only": "open('/etc/swiftcached-probe', 'w')",
    "other people's files are closed": "import os; os.chown('/root', 1, 1)",
}


def restricted(*command, **more):
    return subprocess.Popen([*RESTRICTED, *map(str, command)], stderr=subprocess.PIPE, **more)


def version(port):
    with socket.create_connection(("127.0.0.1", port), 5) as client:
        client.sendall(b"set a 0 0 1\r\nb\r\nget a\r\n")
        text = b""
        while not text.endswith(b"END\r\n"):
            part = client.recv(100)
            assert part, "closed"
            text += part
    assert text == b"STORED\r\nVALUE a 0 1\r\nb\r\nEND\r\n", text


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def serve(folder, *options):
    """Starts, asks and stops one server; what it said on standard error."""
    user = pwd.getpwnam("nobody")
    home = pathlib.Path(folder) / "run"
    home.mkdir(exist_ok=True)
    os.chown(home, user.pw_uid, user.pw_gid)
    home.chmod(0o755)
    # The server may lie where its user may not look.
    program = pathlib.Path(folder) / "memcached"
    shutil.copy(SERVER, program)
    port, pid_file = free_port(), home / "pid"
    process = restricted(program, "-u", "nobody", "-l", "127.0.0.1", "-p", port, "-P", pid_file, *options)
    deadline = time.monotonic() + 10
    while not pid_file.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise AssertionError(f"no pid file: {process.communicate()[1].decode()}")
        time.sleep(0.01)
    pid = int(pid_file.read_text())
    status = dict(line.split(":", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines())
    assert pid == process.pid, f"pid {pid} is not {process.pid}"
    assert status["Uid"].split() == [str(user.pw_uid)] * 4, status["Uid"]
    assert int(status["CapEff"], 16) == 0, status["CapEff"]
    assert pid_file.stat().st_uid == user.pw_uid
    version(port)
    locked = int(status["VmLck"].split()[0])
    process.terminate()
    errors = process.communicate(timeout=10)[1].decode()
    assert process.returncode == 0, f"status {process.returncode}: {errors}"
    pid_file.unlink()
    return errors.strip(), locked


def main():
    if os.geteuid() != 0:
        print("skipped: the unit's restrictions need root")
        return
    trial = restricted("true")
    trial_errors = trial.communicate()[1].decode()
    if trial.returncode != 0:
        print(f"skipped: this machine does not allow them: {trial_errors.strip().splitlines()[-1]}")
        return
    for name, code in PROBES.items():
        probe = restricted(sys.executable, "-c", code)
        text = probe.communicate()[1].decode()
        assert probe.returncode != 0, f"{name}: it was not"
        print(f"{name}: {text.strip().splitlines()[-1]}")
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        # The unit allows 65536 descriptors and any amount of locked memory, where this machine lets us.
        clients = str(min(60000, resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 200))
        for options in ([], ["-c", clients, "-m", "64"], ["-k", "-m", "16"], ["-o", "drop_privileges", "-U", "0"]):
            errors, locked = serve(folder, *options)
            assert "-k" not in options or locked > 0 or "mlockall() failed" in errors, "-k did nothing and said nothing"
            print("serves with", " ".join(options) or "nothing more", f"({errors})" if errors else "",
                  f"{locked} kB locked" if locked else "")


if __name__ == "__main__":
    try:
        main()
    except AssertionError as error:
        sys.exit(f"FAILED: {error}")
