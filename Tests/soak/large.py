#!/usr/bin/env python3
# Large values in a small memory: -I 16m -m 256, values of 1 KB to 10 MB (log-uniform), four connections a server that
# store, now and then get, append and prepend. Counts sets that were answered with anything but STORED; ours must have
# none. Who evicts everything refuses nothing, so hits are compared as well, and the memory in use (`bytes`, sampled) is
# shown. Both servers run at the same time, each under its own clients, so they share the machine and not the numbers of
# requests. Each connection has keys of its own and knows what must be in them: a hit with anything else is wrong.
#
#   SERVER=.build/release/swiftcached Tests/soak/large.py [--seconds 600] [--clients 4]
import argparse
import collections
import math
import multiprocessing
import random
import statistics
import sys
import time

from servers import OPPONENT, OURS, Server, add_server_options, connect, print_table, programs, report

SMALLEST, LARGEST = 1 << 10, 10 << 20
# Appended to it may become as large as this, well below -I.
LARGEST_APPENDED = 14 << 20
MEMORY_MEGABYTES = 256
# Of 1.1 MB on average: with four clients three and a half times the memory.
KEYS = 200
OUT_OF = {"set": 60, "get": 26, "append": 7, "prepend": 7}
# Ours must have this much of the opponent's hit ratio.
LEAST_HITS = 0.9
# Values are pieces of this; two pieces that start at different places differ.
BLOCK = memoryview(random.Random(1).randbytes(LARGEST + (1 << 20)))


class Client:
    """One connection; `counts` has a row for each kind of reply, and what was wrong."""

    def __init__(self, port, number):
        self.socket = connect(port, 30)
        self.input = self.socket.makefile("rb", 1 << 20)
        self.random = random.Random(number)
        self.number = number
        # Key number to the pieces of its value, (start, length) each; without a row the key must be a miss.
        self.pieces = {}
        self.counts = collections.Counter()

    def line(self):
        line = self.input.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("the server has closed the connection")
        return line[:-2].decode(errors="replace")

    def length(self):
        return int(math.exp(self.random.uniform(math.log(SMALLEST), math.log(LARGEST))))

    def step(self):
        kind = self.random.choices(list(OUT_OF), list(OUT_OF.values()))[0]
        key = self.random.randrange(KEYS)
        if kind == "get":
            self.get(key)
        elif kind == "set":
            self.store(kind, key, self.length())
        elif key in self.pieces:
            room = LARGEST_APPENDED - sum(length for _, length in self.pieces[key])
            self.store(kind, key, min(self.length(), room))

    def store(self, kind, key, length):
        if length < SMALLEST:
            return
        start = self.random.randrange(len(BLOCK) - length + 1)
        head = b"%s key:%d:%d 0 0 %d\r\n" % (kind.encode(), self.number, key, length)
        self.socket.sendall(head)
        self.socket.sendall(BLOCK[start : start + length])
        self.socket.sendall(b"\r\n")
        reply = self.line()
        before = self.pieces.pop(key, [])
        self.counts[kind] += 1
        if reply == "STORED":
            piece = [(start, length)]
            self.pieces[key] = piece if kind == "set" else before + piece if kind == "append" else piece + before
        elif kind == "set":
            self.counts["refused set"] += 1
            self.counts[f"set: {reply}"] += 1
        else:
            # What was there may stay; with NOT_STORED it should have been evicted before.
            self.pieces[key] = before
            if reply != "NOT_STORED" or self.get(key):
                self.counts["refused append"] += 1
                self.counts[f"{kind}: {reply}"] += 1

    def get(self, key):
        """Whether it was a hit."""
        self.socket.sendall(b"get key:%d:%d\r\n" % (self.number, key))
        reply = self.line()
        self.counts["get"] += 1
        if reply == "END":
            self.pieces.pop(key, None)
            return False
        self.counts["hit"] += 1
        if not reply.startswith(f"VALUE key:{self.number}:{key} 0 "):
            raise ConnectionError(f"unexpected reply {reply!r}")
        value = memoryview(self.input.read(int(reply.split()[3])))
        if self.input.read(2) != b"\r\n" or self.line() != "END":
            raise ConnectionError("a value does not end where it should")
        place, isRight = 0, key in self.pieces
        for start, length in self.pieces.get(key, []):
            isRight = isRight and value[place : place + length] == BLOCK[start : start + length]
            place += length
        if not isRight or place != len(value):
            self.counts["wrong"] += 1
        return True


def run(port, number, seconds, results):
    client = Client(port, number)
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            client.step()
    except (OSError, ValueError) as error:
        client.counts["failed client"] += 1
        client.counts[f"client: {error}"] += 1
    results.put((port, client.counts))


def sample_used(servers, seconds):
    """Megabytes of items, the mean over the time but the first quarter, in which the memory fills."""
    samples = {server.name: [] for server in servers}
    start = time.monotonic()
    while time.monotonic() < start + seconds:
        time.sleep(0.25)
        for server in servers:
            used = int(server.stats()["bytes"]) / (1 << 20)
            if time.monotonic() > start + seconds / 4:
                samples[server.name].append(used)
    return {name: statistics.mean(values or [0]) for name, values in samples.items()}


def main():
    parser = argparse.ArgumentParser()
    add_server_options(parser)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--clients", type=int, default=4, help="connections to each server")
    arguments = parser.parse_args()
    servers = [
        Server(name, program, "-I", "16m", "-m", str(MEMORY_MEGABYTES)) for name, program in programs(arguments)
    ]
    results = multiprocessing.Queue()
    clients = [
        multiprocessing.Process(target=run, args=(server.port, number, arguments.seconds, results), daemon=True)
        for server in servers
        for number in range(arguments.clients)
    ]
    failures, rows, replies, hits = [], [], [], {}
    try:
        for client in clients:
            client.start()
        used = sample_used(servers, arguments.seconds)
        counts = {server.port: collections.Counter() for server in servers}
        for _ in clients:
            port, counted = results.get(timeout=120)
            counts[port] += counted
        for server in servers:
            count, stats = counts[server.port], server.stats()
            hits[server.name] = count["hit"] / max(1, count["get"])
            resident = server.resident_kilobytes() / 1024
            rows.append(
                [server.name, count["set"], count["refused set"], count["append"] + count["prepend"]]
                + [count["refused append"], count["get"], f"{hits[server.name]:.3f}", count["wrong"]]
                + [f"{used[server.name]:.0f}", stats["evictions"]]
                + [f"{resident:.0f}", f"{resident / MEMORY_MEGABYTES:.2f}"]
            )
            replies += [f"{server.name}: {text}: {count[text]}" for text in sorted(count) if ": " in text]
            if server.is_ours:
                faults = ("refused set", "refused append", "wrong", "failed client")
                failures = [f"{count[fault]} x {fault}" for fault in faults if count[fault]]
                if count["hit"] == 0 or int(stats["evictions"]) == 0:
                    failures.append("no hit or no eviction: nothing was measured")
        if hits[OURS] < LEAST_HITS * hits.get(OPPONENT, 0):
            failures.append(f"hits {hits[OURS]:.3f} of the gets where {OPPONENT} hits {hits[OPPONENT]:.3f}")
    finally:
        for server in servers:
            server.stop()
    print(f"-I 16m -m {MEMORY_MEGABYTES}, {arguments.clients} connections each, {arguments.seconds:.0f} s")
    head = ["server", "sets", "refused", "appends", "refused", "gets", "hits", "wrong", "MB used", "evictions"]
    print_table(head + ["RSS MB", "RSS/-m"], rows)
    print("\n".join(replies) or "no reply but STORED to a set")
    return report(failures)


if __name__ == "__main__":
    sys.exit(main())
