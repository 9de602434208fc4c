#!/usr/bin/env python3
# Runs client libraries that nobody here wrote against a memcached server, over every protocol and kind of socket that
# each speaks, and prints a table of what passed. Ends with 1 when anything failed or was missing.
# Usage: run.py [--quick] [--jobs N] [NAME ...]
#   SERVER  the environment's path of the server, .build/release/swiftcached by default
#   --quick only clients that need under ten seconds and no packages but those of `make test`
#   --jobs  rows at once, 4 by default; most of their time is waiting for items to expire
#   NAME    only clients whose names begin with this, in small letters
# Every row of the table has a server of its own. A client is a script that prints TAP, `ok - name`, `not ok - name`,
# `ok - name # SKIP reason`, `# version 1.2.3` and at its end the plan `1..N`. Not a load test.

import argparse
import collections
import concurrent.futures
import dataclasses
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SERVER = os.environ.get("SERVER", str(ROOT / ".build/release/swiftcached"))
SECONDS_A_CLIENT = 120


@dataclasses.dataclass
class Client:
    """What is run for one client library: `command`, then a protocol's name and the server's address."""

    name: str
    command: list
    protocols: tuple
    sockets: tuple = ("tcp", "unix")
    quick: bool = False
    environment: dict = dataclasses.field(default_factory=dict)
    # Where the command is not one of our scripts: its arguments, the kind of its output, what says its version.
    arguments: object = None
    output: str = "tap"
    # What Debian's memcached needs to be told for this client.
    reference_options: tuple = ()
    # How it logs in, one of LOGINS; the empty one needs no login.
    login: str = ""
    version: tuple = ()


def python(script):
    return [sys.executable, HERE / "python" / script]


def debian(package):
    return "dpkg-query", "-W", "-f", "${Version}", package


def capable(protocol, address):
    host, port = address.split(":")
    return ["-t", "10", "-h", host, "-p", port, "-a" if protocol == "text" else "-b"]


def users(protocol, address):
    return (["--binary"] if protocol == "binary" else []) + [address.split(":")[1]]


USER, PASSWORD = "web", "correct-horse"


def write(path, text):
    path.write_text(text)
    path.chmod(0o644)
    return str(path)


def token(folder):
    return ["-Y", write(folder / "users", f"{USER}:{PASSWORD}\n")], {}


def database(folder):
    return ["-S"], {"MEMCACHED_SASL_PWDB": write(folder / "pwdb", f"{USER}@{socket.gethostname()}:{PASSWORD}\n")}


def cyrus(folder):
    write(folder / "memcached.conf", f"mech_list: plain\nsasldb_path: {folder}/sasldb2\n")
    words = ["saslpasswd2", "-p", "-c", "-a", "memcached", "-f", folder / "sasldb2", "-u", socket.gethostname(), USER]
    made = subprocess.run(words, input=PASSWORD, text=True, capture_output=True)
    if made.returncode != 0:
        raise RuntimeError(f"saslpasswd2: {made.stderr.strip()}")
    (folder / "sasldb2").chmod(0o644)
    return ["-S"], {"SASL_CONF_PATH": str(folder)}


# What a server is told so that USER can log in: its options and its environment.
LOGINS = {"": lambda folder: ([], {}), "-Y": token, "-S": database, "-S Cyrus": cyrus}


def logins(name, command, kinds, sockets=("tcp", "unix"), quick=False, **environment):
    return [Client(f"{name}, {kind}", command, TEXT if kind == "-Y" else BINARY, sockets, environment=environment,
                   quick=quick and kind != "-S Cyrus", login=kind) for kind in kinds]


TEXT, BINARY, META = ("text",), ("binary",), ("meta",)
CLIENTS = [
    Client("memccapable", ["memccapable"], TEXT + BINARY, ("tcp",), True, arguments=capable, output="memccapable",
           version=debian("libmemcached-tools")),
    Client("php-memcached", ["php", HERE / "php/users.php"], TEXT + BINARY, ("tcp",), True, arguments=users,
           output="summary", reference_options=("-o", "no_lru_maintainer"),
           version=("php", "-r", "echo phpversion('memcached');")),
    Client("php-memcached sessions", ["php", HERE / "php/sessions.php"], TEXT + BINARY, quick=True),
    Client("pylibmc", python("pylibmc-client.py"), TEXT + BINARY, quick=True),
    Client("pymemcache", python("pymemcache-client.py"), TEXT),
    Client("python-memcached", python("python-memcached.py"), TEXT),
    Client("python-binary-memcached", python("python-binary-memcached.py"), BINARY),
    Client("meta-memcache", python("meta-memcache.py"), META),
    Client("memcache (aisk)", python("memcache-client.py"), META, ("tcp",),
           environment={"PYTHONPATH": str(ROOT / ".build/clients-memcache")}),
    Client("emcache", python("emcache-client.py"), TEXT),
    Client("aiomcache", python("aiomcache-client.py"), TEXT, ("tcp",)),
    Client("Dalli", ["ruby", HERE / "ruby/dalli.rb"], BINARY),
    Client("Cache::Memcached::Fast", ["perl", HERE / "perl/cache-memcached-fast.pl"], TEXT),
    Client("Cache::Memcached", ["perl", HERE / "perl/cache-memcached.pl"], TEXT),
    Client("spymemcached", ["java", "-XX:TieredStopAtLevel=1", "-cp", "/usr/share/java/spymemcached.jar",
                            HERE / "java/spymemcached.java"], TEXT + BINARY, ("tcp",),
           version=debian("libspymemcached-java")),
    Client("gomemcache", ["go", "run", HERE / "go/gomemcache.go"], TEXT,
           environment={"GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOFLAGS": "-p=1"},
           version=debian("golang-github-bradfitz-gomemcache-dev")),
    # These three log in over TCP only, whatever the server.
    *logins("php-memcached", ["php", HERE / "php/login.php"], ["-S", "-S Cyrus"], ("tcp",), True),
    *logins("pylibmc", python("login.py"), ["-S", "-S Cyrus"], ("tcp",), True, CLIENT="pylibmc"),
    *logins("python-binary-memcached", python("login.py"), ["-S", "-S Cyrus"], ("tcp",),
            CLIENT="python-binary-memcached"),
    *logins("Dalli", ["ruby", HERE / "ruby/login.rb"], ["-S", "-S Cyrus"]),
    *logins("pymemcache", python("login.py"), ["-Y"], CLIENT="pymemcache"),
    *logins("emcache", python("login.py"), ["-Y"], CLIENT="emcache"),
]


@dataclasses.dataclass
class Row:
    name: str
    protocol: str
    version: str = "?"
    passed: int = 0
    failures: list = dataclasses.field(default_factory=list)
    skipped: collections.Counter = dataclasses.field(default_factory=collections.Counter)


class Server:
    """A server process of its own on a free port of 127.0.0.1, or on a socket file."""

    def __init__(self, kind, folder, more, environment):
        self.errors = open(folder / "errors", "w+b")
        if kind == "unix":
            self.address = str(folder / "socket")
            self.listening = (socket.AF_UNIX, self.address)
            options = ["-s", self.address, "-a", "0777"]
        else:
            with socket.create_server(("127.0.0.1", 0)) as free:
                port = free.getsockname()[1]
            self.address = f"127.0.0.1:{port}"
            self.listening = (socket.AF_INET, ("127.0.0.1", port))
            options = ["-l", "127.0.0.1", "-p", str(port)]
        user = ["-u", "nobody"] if os.geteuid() == 0 else []
        self.process = subprocess.Popen([SERVER, *user, *options, *more], stdout=self.errors, stderr=self.errors,
                                        env={**os.environ, **environment})
        self.wait_until_it_listens()

    def wait_until_it_listens(self):
        end = time.monotonic() + 10
        while self.process.poll() is None and time.monotonic() < end:
            with socket.socket(self.listening[0]) as trial:
                if trial.connect_ex(self.listening[1]) == 0:
                    return
            time.sleep(0.02)
        raise RuntimeError(f"{SERVER} does not listen on {self.address}: {self.stop()}")

    def stop(self):
        """Ends the server; returns what is wrong with how it ended, or nothing."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                status = self.process.wait(10)
                wrong = f"the server ended with {status} when asked to" if status not in (0, -15) else ""
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                wrong = "the server did not end when asked to"
        else:
            wrong = f"the server ended by itself with {self.process.returncode}"
        self.errors.seek(0)
        said = self.errors.read().decode(errors="replace").strip()
        self.errors.close()
        return f"{wrong}: {said}" if wrong else ""


def read_tap(output, row):
    count, plan = 0, None
    for line in output.splitlines():
        if match := re.match(r"(not )?ok\b(?: \d+)?(?: - )?(.*?)(?:\s*# skip (.*))?$", line, re.IGNORECASE):
            count += 1
            name, reason = match[2], match[3]
            if reason:
                row.skipped[f"{name}: {reason}" if name else reason] += 1
            elif match[1]:
                row.failures.append(name)
            else:
                row.passed += 1
        elif match := re.match(r"1\.\.(\d+)", line):
            plan = int(match[1])
        elif line.startswith("# version "):
            row.version = line.removeprefix("# version ")
    if plan is None or plan != count:
        row.failures.append(f"came not to its end: {count} results, {plan} planned")


def read_memccapable(output, row):
    for name, result in re.findall(r"^(.*?)\s+\[(pass|FAIL|not supported)\]", output, re.MULTILINE | re.IGNORECASE):
        if result == "pass":
            row.passed += 1
        elif result == "FAIL":
            row.failures.append(name)
        else:
            row.skipped[f"{name}: not supported"] += 1
    if not output.rstrip().endswith("All tests passed") and not row.failures:
        row.failures.append("did not say that all tests passed")


def read_summary(output, row):
    if match := re.search(r"^(\d+) passed, (\d+) failed$", output, re.MULTILINE):
        row.passed += int(match[1])
    else:
        row.failures.append("did not say how many passed")


READERS = {"tap": read_tap, "memccapable": read_memccapable, "summary": read_summary}


def run(client, protocol, kind):
    row = Row(client.name, protocol if kind == "tcp" else f"{protocol}, unix socket")
    said = ""
    with tempfile.TemporaryDirectory(prefix="clients-") as folder:
        os.chmod(folder, 0o777)
        try:
            if client.version:
                row.version = subprocess.run(client.version, capture_output=True, text=True).stdout.strip()
            more = client.reference_options if os.path.basename(SERVER) == "memcached" else ()
            options, environment = LOGINS[client.login](pathlib.Path(folder))
            server = Server(kind, pathlib.Path(folder), [*more, *options], environment)
            try:
                arguments = (client.arguments or (lambda *both: both))(protocol, server.address)
                ended = subprocess.run(
                    [str(word) for word in [*client.command, *arguments]], stdin=subprocess.DEVNULL, text=True,
                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace", timeout=SECONDS_A_CLIENT,
                    cwd=folder, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **client.environment})
                said = ended.stdout
                READERS[client.output](said, row)
                if ended.returncode != 0 and not row.failures:
                    row.failures.append(f"ended with {ended.returncode}")
            except subprocess.TimeoutExpired as error:
                said = (error.stdout or b"").decode(errors="replace")
                row.failures.append(f"did not end in {SECONDS_A_CLIENT} seconds")
            finally:
                if wrong := server.stop():
                    row.failures.append(wrong)
        except (OSError, RuntimeError) as error:
            row.failures.append(str(error))
    if row.failures:
        lines = [line for line in said.splitlines() if not re.match(r"(not )?ok\b|# version|.*\[pass\]$", line)]
        print(f"\n{row.name}, {row.protocol}: {len(row.failures)} failed", *row.failures, *lines[-40:], sep="\n  ")
    return row


def table(rows):
    lines = [("client", "version", "protocol", "passed", "failed", "skipped")]
    for row in rows:
        reasons = "; ".join(row.skipped)
        skipped = f"{row.skipped.total()} ({reasons})" if reasons else "0"
        lines.append((row.name, row.version, row.protocol, str(row.passed), str(len(row.failures)), skipped))
    widths = [max(len(line[column]) for line in lines) for column in range(5)]
    for line in lines:
        print(" | ".join([cell.ljust(width) for cell, width in zip(line, widths)] + [line[5]]))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--jobs", type=int, default=4)
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    chosen = [
        client for client in CLIENTS
        if (client.quick or not options.quick)
        # Debian's memcached is built without the password database.
        and not (client.login == "-S" and os.path.basename(SERVER) == "memcached")
        and (not options.names or client.name.lower().startswith(tuple(options.names)))
    ]
    if not chosen:
        sys.exit("no client has such a name")
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        rows = [
            pool.submit(run, client, protocol, kind)
            for client in chosen for protocol in client.protocols for kind in client.sockets
        ]
        rows = [row.result() for row in rows]
    print()
    table(rows)
    failed = sum(len(row.failures) for row in rows)
    skipped = sum(row.skipped.total() for row in rows)
    print(f"\n{sum(row.passed for row in rows)} passed, {failed} failed, {skipped} skipped")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
