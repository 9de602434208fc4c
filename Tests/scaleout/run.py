#!/usr/bin/env python3
# Three servers under load behind a distributor of keys, one of them killed and started again: behind twemproxy
# (Debian's nutcracker) and behind libmemcached's ketama ring (by way of pylibmc). Prints what clients saw in each phase
# and ends with 1 when a value was wrong or hits did not recover.
# Usage: run.py [--seconds N] [--server PROGRAM] [twemproxy | ketama ...]
#   SERVER  the environment's path of the server, .build/release/swiftcached by default
# Values describe themselves: a value of another key, a torn one, or one that nobody wrote is wrong. One that was
# written but is not the last is stale, which a pool that ejects servers cannot rule out; it is counted and not judged.

import argparse
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import zlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "soak"))
from servers import Server, free_port, print_table, report  # noqa: E402

CLIENTS = 4
KEYS_A_CLIENT = 800
KEYS_A_MULTIGET = 20
COUNTS = ("gets", "hits", "misses", "sets", "errors", "stale", "wrong")


def value_of(key, version):
    body = f"{key}:{version}:" + "x" * (zlib.crc32(key.encode()) % 900)
    return f"{body}:{zlib.crc32(body.encode())}".encode()


def version_in(key, value):
    """The version a value says it is; None when it is no value of this key."""
    words = value.split(b":")
    if len(words) != 4 or not words[1].isdigit() or value != value_of(key, int(words[1])):
        return None
    return int(words[1])


class TextClient:
    """As much of the text protocol as a cache needs, over one connection that is made anew after an error."""

    def __init__(self, port):
        self.port = port
        self.file = None

    def _connected(self):
        if self.file is None:
            client = socket.create_connection(("127.0.0.1", self.port), 5)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.file = client.makefile("rwb")
            client.close()
        return self.file

    def _line(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("closed")
        return line[:-2]

    def _guarded(self, conversation):
        try:
            self._connected()
            return conversation()
        except OSError:
            self.file = None
            raise

    def get_multi(self, keys):
        def conversation():
            self.file.write(b"get " + " ".join(keys).encode() + b"\r\n")
            self.file.flush()
            found, failure = {}, None
            while (line := self._line()) != b"END":
                words = line.split()
                if words[:1] != [b"VALUE"]:
                    # A distributor answers an error in the place of all that one server had.
                    failure = line
                    break
                data = self.file.read(int(words[3]) + 2)
                found[words[1].decode()] = data[:-2]
            if failure:
                raise ValueError(failure.decode())
            return found
        return self._guarded(conversation)

    def set(self, key, value):
        def conversation():
            self.file.write(f"set {key} 0 0 {len(value)}\r\n".encode() + value + b"\r\n")
            self.file.flush()
            line = self._line()
            if line != b"STORED":
                raise ValueError(line.decode())
        self._guarded(conversation)


class KetamaClient:
    """libmemcached with its ketama ring; a server that fails is left out and tried again after a second."""

    def __init__(self, ports):
        import pylibmc

        self.failures = (pylibmc.Error,)
        self.client = pylibmc.Client(
            [f"127.0.0.1:{port}" for port in ports],
            behaviors={"ketama": True, "remove_failed": 1, "failure_limit": 1, "dead_timeout": 1, "retry_timeout": 1,
                       "connect_timeout": 500, "tcp_nodelay": True})

    def get_multi(self, keys):
        return self._tried(lambda: self.client.get_multi(keys))

    def set(self, key, value):
        if not self._tried(lambda: self.client.set(key, value)):
            raise ValueError("not stored")

    def _tried(self, call):
        try:
            return call()
        except self.failures as error:
            raise ValueError(str(error)) from error


class Load(threading.Thread):
    """A cache-aside client with keys of its own, so that it knows what it may read."""

    def __init__(self, number, client, phase):
        super().__init__(daemon=True)
        self.random = random.Random(number)
        self.client = client
        self.phase = phase
        self.keys = [f"pool-{number}-{index}" for index in range(KEYS_A_CLIENT)]
        self.last = dict.fromkeys(self.keys, 0)
        self.tried = dict.fromkeys(self.keys, 0)
        self.stopping = False
        self.counts = {}
        self.examples = []

    def count(self, name, number=1):
        self.counts[self.now][name] += number

    def run(self):
        while not self.stopping:
            count = KEYS_A_MULTIGET if self.random.random() < 0.3 else 1
            self.turn(self.random.sample(self.keys, count))

    def turn(self, keys):
        self.now = self.phase[0]
        self.counts.setdefault(self.now, dict.fromkeys(COUNTS, 0))
        self.count("gets", len(keys))
        try:
            found = self.client.get_multi(keys)
        except (OSError, ValueError):
            self.count("errors", len(keys))
            return
        for key in found.keys() - set(keys):
            self.wrong(key, found[key])
        for key in keys:
            if key in found:
                self.judge(key, found[key])
            else:
                self.count("misses")
                self.store(key)
        if self.random.random() < 0.1:
            self.store(self.random.choice(self.keys))

    def judge(self, key, value):
        version = version_in(key, value)
        if version is None or not 1 <= version <= self.tried[key]:
            self.wrong(key, value)
            return
        self.count("hits")
        if version < self.last[key]:
            self.count("stale")

    def wrong(self, key, value):
        self.count("wrong")
        self.examples.append((key, bytes(value[:60])))

    def store(self, key):
        self.tried[key] += 1
        self.count("sets")
        try:
            self.client.set(key, value_of(key, self.tried[key]))
            self.last[key] = self.tried[key]
        except (OSError, ValueError):
            self.count("errors")


def nutcracker():
    """The program, which Debian keeps where only root's path leads; None when it is not installed."""
    return shutil.which("nutcracker", path=os.environ["PATH"] + ":/usr/sbin")


class Proxy:
    """twemproxy before these servers."""

    def __init__(self, ports, folder):
        self.port = free_port()
        conf = pathlib.Path(folder) / "nutcracker.yml"
        conf.write_text(
            f"pool:\n  listen: 127.0.0.1:{self.port}\n  hash: fnv1a_64\n  distribution: ketama\n  timeout: 2000\n"
            "  auto_eject_hosts: true\n  server_failure_limit: 1\n  server_retry_timeout: 1000\n  servers:\n"
            + "".join(f"   - 127.0.0.1:{port}:1\n" for port in ports))
        self.process = subprocess.Popen(
            [nutcracker(), "-c", conf, "-s", str(free_port()), "-o", f"{folder}/nutcracker.log"])
        for _ in range(300):
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.01)
        raise SystemExit("nutcracker does not listen")

    def stop(self):
        self.process.terminate()
        self.process.wait()


def hit_rate(counts):
    return counts["hits"] / max(counts["gets"], 1)


def run(kind, arguments):
    with tempfile.TemporaryDirectory() as folder:
        servers = [Server(f"server {index}", arguments.server, "-m", "64") for index in range(3)]
        ports = [server.port for server in servers]
        proxy = Proxy(ports, folder) if kind == "twemproxy" else None
        phase = ["warming"]
        loads = [
            Load(number, TextClient(proxy.port) if proxy else KetamaClient(ports), phase) for number in range(CLIENTS)]
        try:
            for load in loads:
                load.start()
            time.sleep(arguments.seconds)
            phase[0] = "before"
            time.sleep(arguments.seconds)
            victim = servers[1].process
            phase[0] = "one is dead"
            victim.send_signal(signal.SIGKILL)
            victim.wait()
            time.sleep(arguments.seconds)
            phase[0] = "it is back"
            servers[1] = Server("server 1", arguments.server, "-m", "64", port=ports[1])
            time.sleep(arguments.seconds)
            phase[0] = "afterwards"
            time.sleep(arguments.seconds)
        finally:
            for load in loads:
                load.stopping = True
            for load in loads:
                load.join()
            items = [int(server.stats()["curr_items"]) for server in servers]
            for server in servers:
                server.stop()
            if proxy:
                proxy.stop()
    return judged(kind, loads, items)


def judged(kind, loads, items):
    phases = ["warming", "before", "one is dead", "it is back", "afterwards"]
    sums = {name: {count: sum(load.counts.get(name, {}).get(count, 0) for load in loads) for count in COUNTS}
            for name in phases}
    print(f"\n{kind}: items per server at the end {items}")
    print_table(["phase", *COUNTS, "hit rate"],
                [[name, *sums[name].values(), f"{hit_rate(sums[name]):.3f}"] for name in phases])
    failures = [f"{kind}: {name}: {sums[name]['wrong']} wrong values" for name in phases if sums[name]["wrong"]]
    failures += [f"{kind}: {key}: {value!r}" for load in loads for key, value in load.examples[:3]]
    before, after = hit_rate(sums["before"]), hit_rate(sums["afterwards"])
    if after < before * 0.98:
        failures.append(f"{kind}: hits did not recover: {before:.3f} before, {after:.3f} afterwards")
    if sums["afterwards"]["errors"]:
        failures.append(f"{kind}: {sums['afterwards']['errors']} errors although all servers are back")
    if min(items) == 0:
        failures.append(f"{kind}: a server got no items: {items}")
    return failures


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--server", default=os.environ.get("SERVER") or ".build/release/swiftcached")
    parser.add_argument("--seconds", type=float, default=4, help="length of each of the five phases")
    parser.add_argument("kinds", nargs="*", default=["twemproxy", "ketama"])
    arguments = parser.parse_args()
    failures = []
    for kind in arguments.kinds:
        if kind == "twemproxy" and not nutcracker():
            failures.append("nutcracker is not installed")
            continue
        failures += run(kind, arguments)
    sys.exit(report(failures))


if __name__ == "__main__":
    main()
