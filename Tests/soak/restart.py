#!/usr/bin/env python3
# The warm restart, in three parts. Exact: a million items of all sizes, with client flags, TTLs and CAS uniques, are
# stored; the server gets SIGTERM, is started again five seconds later, and every one of them is asked for and compared.
# Damaged: the two files of a smaller server are damaged at random, 200 times; each time the server must start, answer,
# end with 0, and give no value but the right one. Time: a server with 20 million small items, a part of them stored in
# another order than they lie in memory, is stopped and started; what counts is the time from the start of the process
# to the first value it serves.
#
#   SERVER=.build/release/swiftcached Tests/soak/restart.py [--items 1000000] [--rounds 200] [--many 20000000]
#
# The memory files lie in --folder, a tmpfs; the last part needs 80 bytes there for each of its items.
import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time

from servers import OURS, Server, add_server_options, connect, expect, print_table, report

BATCH = 500


class Restartable:
    """A server on a memory file that can be stopped and started; keeps what it wrote to stderr."""

    def __init__(self, program, folder, *options):
        self.program, self.memory, self.options = program, os.path.join(folder, "memory"), options
        self.metadata = self.memory + ".meta"
        self.log = os.path.join(folder, "log")
        self.server = None

    def start(self):
        """Returns the seconds from the start of the process until it has answered."""
        with open(self.log, "wb") as log:
            saved, stderr = os.dup(2), log.fileno()
            os.dup2(stderr, 2)
            try:
                begun = time.monotonic()
                self.server = Patient(OURS, self.program, "-e", self.memory, *self.options)
            finally:
                os.dup2(saved, 2)
                os.close(saved)
        client = connect(self.server.port, 60)
        client.sendall(b"mn\r\n")
        expect(client, b"MN\r\n")
        client.close()
        return time.monotonic() - begun

    def stop(self, number=signal.SIGTERM):
        """Returns the seconds it took to end, and its exit status."""
        begun = time.monotonic()
        self.server.process.send_signal(number)
        status = self.server.process.wait()
        return time.monotonic() - begun, status

    def line(self):
        with open(self.log) as log:
            return next((line.strip() for line in log if line.startswith("[restart]")), "")


class Patient(Server):
    """Waits longer: a large cache takes its time."""

    def __init__(self, name, program, *options):
        for _ in range(12):
            try:
                super().__init__(name, program, *options)
                return
            except SystemExit as failure:
                if "does not listen" not in str(failure):
                    raise
        raise SystemExit(f"{program} does not listen")


class Lines:
    """Replies, a line or so many bytes at a time."""

    def __init__(self, client):
        self.stream = client.makefile("rb", buffering=1 << 20)

    def line(self):
        line = self.stream.readline()
        if not line:
            raise ConnectionError("the server has closed the connection")
        return line.rstrip(b"\r\n")

    def take(self, count):
        return self.stream.read(count)


NOISE = random.Random(1).randbytes(2 << 20)


def value(item, size):
    start = item * 7919 % (1 << 20)
    return NOISE[start : start + size]


def size_of(item):
    """Mostly small; one of 500 is a chain of chunks."""
    if item % 500 == 0:
        return 20_000 + item % 7 * 30_000
    return item % 301


TTLS = [0, 0, 3, 600, 86400, 2_000_000]
DOWN_SECONDS = 5


def store_exact(server, items):
    """Stores all items; returns for each its CAS unique, and when it was stored."""
    client = connect(server.port, 60)
    lines = Lines(client)
    uniques, moments = [], []
    for first in range(0, items, BATCH):
        batch = range(first, min(first + BATCH, items))
        client.sendall(
            b"".join(
                b"ms item:%d %d F%d T%d c\r\n%s\r\n"
                % (item, size_of(item), item % 3 * item, TTLS[item % len(TTLS)], value(item, size_of(item)))
                for item in batch
            )
        )
        for _ in batch:
            reply = lines.line()
            if not reply.startswith(b"HD c"):
                raise ConnectionError(f"not stored: {reply!r}")
            uniques.append(int(reply[4:]))
        moments.append(time.time())
    return uniques, moments


def is_right(item, reply, body, unique, stored):
    """A hit, word for word; the TTL may be a second off for the clock, and as much as the batch took."""
    words = reply.split()
    if len(words) != 5 or words[:2] != [b"VA", b"%d" % size_of(item)] or body != value(item, size_of(item)) + b"\r\n":
        return False
    if words[2] != b"f%d" % (item % 3 * item) or words[4] != b"c%d" % unique:
        return False
    ttl = TTLS[item % len(TTLS)]
    if ttl == 0:
        return words[3] == b"t-1"
    return abs(int(words[3][1:]) - (ttl - (time.time() - stored))) <= 2.5


def compare_exact(server, uniques, moments):
    """Counts (right, wrong, missing, expired), item by item."""
    client = connect(server.port, 60)
    lines = Lines(client)
    counts = {"right": 0, "wrong": 0, "missing": 0, "expired": 0}
    for first in range(0, len(uniques), BATCH):
        batch = range(first, min(first + BATCH, len(uniques)))
        client.sendall(b"".join(b"mg item:%d v f t c\r\n" % item for item in batch))
        for item in batch:
            reply = lines.line()
            ttl = TTLS[item % len(TTLS)]
            age = time.time() - moments[item // BATCH]
            if reply == b"EN":
                counts["expired" if 0 < ttl <= age + 1 else "missing"] += 1
                continue
            body = lines.take(int(reply.split()[1]) + 2)
            alive = ttl == 0 or age < ttl + 2
            right = alive and is_right(item, reply, body, uniques[item], moments[item // BATCH])
            counts["right" if right else "wrong"] += 1
    return counts


def exact(arguments, folder):
    server = Restartable(arguments.server, folder, "-m", str(max(256, arguments.items // 1000 * 2)), "-I", "2m")
    server.start()
    uniques, moments = store_exact(server.server, arguments.items)
    stop, status = server.stop()
    # The time that the server is down counts: what lives three seconds is dead afterwards.
    time.sleep(DOWN_SECONDS)
    start = server.start()
    print(f"exact: stopped in {stop:.2f} s, serving after {start:.2f} s: {server.line()}")
    counts = compare_exact(server.server, uniques, moments)
    print("exact:", ", ".join(f"{name} {count}" for name, count in counts.items()))
    server.stop(signal.SIGKILL)
    failures = []
    if status != 0:
        failures.append(f"exit status {status} after SIGTERM")
    if counts["wrong"] or counts["missing"]:
        failures.append(f"of {arguments.items} items {counts['missing']} are missing and {counts['wrong']} are wrong")
    return failures


# Damage.


def flip(data, rng, count):
    for _ in range(count):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def damage(rng, memory, metadata):
    """Changes one of the two, or both; returns what was done."""
    kind = rng.choice(
        ["flip meta", "flip meta", "cut meta", "lengthen meta", "noise in meta", "empty meta", "no meta"]
        + ["flip memory", "flip memory", "noise in memory", "zeros in memory", "cut memory", "moved memory"]
        + ["all noise"]
    )
    target = metadata if kind.endswith("meta") else memory
    place, length = rng.randrange(max(1, len(target))), rng.randrange(1, 1 << 16)
    if kind.startswith("flip"):
        flip(target, rng, rng.choice([1, 1, 10, 1000]))
    elif kind.startswith("cut"):
        del target[place:]
    elif kind.startswith("lengthen"):
        target += rng.randbytes(length)
    elif kind.startswith("noise"):
        target[place : place + length] = rng.randbytes(len(target[place : place + length]))
    elif kind.startswith("zeros"):
        target[place : place + length] = bytes(len(target[place : place + length]))
    elif kind == "moved memory":
        del target[place : place + 8]
        target += bytes(8)
    elif kind == "all noise":
        memory[:] = rng.randbytes(len(memory))
    elif kind == "empty meta":
        del target[:]
    return kind


SMALL_ITEMS = 20_000


def store_small(server):
    client = connect(server.port, 60)
    for first in range(0, SMALL_ITEMS, BATCH):
        batch = range(first, first + BATCH)
        client.sendall(
            b"".join(
                b"set item:%d 0 0 %d\r\n%s\r\n" % (item, size_of(item), value(item, size_of(item))) for item in batch
            )
        )
        expect(client, b"STORED\r\n" * BATCH)


def compare_small(server):
    """Counts (hits, wrong values)."""
    client = connect(server.port, 60)
    lines = Lines(client)
    hits = wrong = 0
    for first in range(0, SMALL_ITEMS, BATCH):
        batch = range(first, first + BATCH)
        client.sendall(b"".join(b"mg item:%d v\r\n" % item for item in batch))
        for item in batch:
            reply = lines.line()
            if reply == b"EN":
                continue
            hits += 1
            body = lines.take(int(reply.split()[1]) + 2)
            wrong += body != value(item, size_of(item)) + b"\r\n"
    return hits, wrong


def damaged(arguments, folder):
    rng = random.Random(arguments.seed)
    server = Restartable(arguments.server, folder, "-m", "16", "-t", "1")
    server.start()
    store_small(server.server)
    server.stop()
    originals = []
    for path in (server.memory, server.metadata):
        with open(path, "rb") as file:
            originals.append(file.read())
    kinds, failures, wrong_total = {}, [], 0
    for round_number in range(arguments.rounds):
        memory, metadata = (bytearray(original) for original in originals)
        kind = damage(rng, memory, metadata)
        for path, data in ((server.memory, memory), (server.metadata, metadata)):
            with open(path, "wb") as file:
                file.write(data)
            os.chmod(path, 0o666)
        if kind == "no meta":
            os.unlink(server.metadata)
        server.start()
        hits, wrong = compare_small(server.server)
        wrong_total += wrong
        _, status = server.stop()
        row = kinds.setdefault(kind, [0, 0, 0])
        row[0] += 1
        row[1] += hits == 0
        row[2] += hits == SMALL_ITEMS
        if wrong or status != 0 or hits not in (0, SMALL_ITEMS):
            what = f"{hits} hits, {wrong} wrong, status {status}: {server.line()}"
            failures.append(f"round {round_number}, {kind}: {what}")
    print(f"\ndamaged: {arguments.rounds} starts, {wrong_total} wrong values, seed {arguments.seed}")
    print_table(["what", "starts", "cold", "warm, all right"], [[kind, *row] for kind, row in sorted(kinds.items())])
    return failures


# Time.


def store_many(server, items, numbers):
    client = connect(server.port, 60)
    batch = 4000
    for first in range(0, items, batch):
        part = numbers(first, min(first + batch, items))
        client.sendall(b"".join([b"set k%09d 0 0 8 noreply\r\n%08d\r\n" % (item, item % 10**8) for item in part]))
    client.sendall(b"mn\r\n")
    expect(client, b"MN\r\n")


def timed(arguments, folder):
    megabytes = arguments.many * 80 // (1 << 20) + 64
    free = shutil.disk_usage(folder).free >> 20
    if free < megabytes + 256:
        return [f"--many {arguments.many} needs {megabytes} MB in {folder}, which has {free}: give a smaller number"]
    server = Restartable(arguments.server, folder, "-m", str(megabytes), "-t", "2")
    cold = server.start()
    store_many(server.server, arguments.many, range)
    rows = [["empty", "", "", f"{cold:.2f}", ""]]
    failures = []
    for name in ("in order", "a third anew"):
        if name != "in order":
            # Deleted in one order and stored in another: lists and memory no longer go the same way.
            rng = random.Random(2)
            again = [item for item in range(arguments.many) if item % 3 == 0]
            rng.shuffle(again)
            client = connect(server.server.port, 60)
            for first in range(0, len(again), 10_000):
                client.sendall(b"".join([b"delete k%09d noreply\r\n" % item for item in again[first : first + 10_000]]))
            client.sendall(b"mn\r\n")
            expect(client, b"MN\r\n")
            rng.shuffle(again)
            store_many(server.server, len(again), lambda first, last: again[first:last])
        count = int(server.server.stats()["curr_items"])
        stop, _ = server.stop()
        start = server.start()
        client = connect(server.server.port, 60)
        client.sendall(b"get k%09d\r\n" % (arguments.many - 1))
        expect(client, b"VALUE k%09d 0 8\r\n%08d\r\nEND\r\n" % (arguments.many - 1, (arguments.many - 1) % 10**8))
        kept = int(server.server.stats()["curr_items"])
        rows.append([name, kept, f"{stop:.2f}", f"{start:.2f}", server.line()])
        if kept != count:
            failures.append(f"{name}: {count} items before, {kept} after")
    server.stop(signal.SIGKILL)
    print(f"\ntime, -m {megabytes}:")
    print_table(["items stored", "items", "s to stop", "s to serve", "the server says"], rows)
    return failures


def main():
    parser = argparse.ArgumentParser()
    add_server_options(parser)
    parser.add_argument("--items", type=int, default=1_000_000, help="0 leaves the part out, here and below")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--many", type=int, default=20_000_000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--folder", default="/dev/shm")
    arguments = parser.parse_args()
    failures = []
    for part, wanted in ((exact, arguments.items), (damaged, arguments.rounds), (timed, arguments.many)):
        if not wanted:
            continue
        folder = tempfile.mkdtemp(prefix="restart-soak-", dir=arguments.folder)
        os.chmod(folder, 0o777)
        try:
            failures += part(arguments, folder)
        finally:
            shutil.rmtree(folder)
    return report(failures)


if __name__ == "__main__":
    sys.exit(main())
