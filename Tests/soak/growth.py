#!/usr/bin/env python3
# The longest request while the hash table grows from 2^16 buckets to 2^25. Loaders store small items over pipelined
# connections as fast as they can; a prober beside them sends a single get each millisecond, in turn to the loaded
# server and to a second one of the same program that holds nothing else and does nothing else: the control, the
# machine's own noise. `stats` (hash_is_expanding, hash_power_level) is sampled to tell growth from the rest; all
# moments are of one clock. One program after the other.
#
# A get counts as during growth when any of it lies between two samples of which one says so or whose levels differ. The
# prober runs before others when it may (root: nice -10), the loaders behind them, so that the control is quiet. Ours
# must not be slower than the control by more than 5 ms, the longest against the longest; of several rounds the median
# counts, since the longest of anything is a matter of luck.
#
#   SERVER=.build/release/swiftcached Tests/soak/growth.py [--items 33554432] [--memory 4096] [--rounds 1]
import argparse
import array
import bisect
import collections
import gc
import multiprocessing
import os
import statistics
import sys
import time

from servers import OURS, Server, add_server_options, connect, expect, print_table, programs, report

LATEST_MILLISECONDS = 5
LOADERS = 2
BATCH = 500
PROBES = 1024
PERIOD_NANOSECONDS = 1_000_000
SAMPLE_SECONDS = 0.005
LOADED, CONTROL = 0, 1


def load(port, first, last):
    os.nice(5)
    client = connect(port, 60)
    for start in range(first, last, BATCH):
        client.sendall(b"".join([b"set %08x 0 0 1\r\nx\r\n" % item for item in range(start, min(start + BATCH, last))]))
        expect(client, b"STORED\r\n" * (min(start + BATCH, last) - start))


def probe(ports, ready, stopping, results):
    """Gets in turn from both servers; sends back the starts and durations of each, in nanoseconds."""
    gc.disable()
    try:
        os.nice(-10)
    except PermissionError:
        pass
    clients = [connect(port, 60) for port in ports]
    for client in clients:
        client.sendall(b"".join(b"set probe%03x 0 0 1\r\nx\r\n" % key for key in range(PROBES)))
        expect(client, b"STORED\r\n" * PROBES)
    requests = [b"get probe%03x\r\n" % key for key in range(PROBES)]
    replies = [b"VALUE probe%03x 0 1\r\nx\r\nEND\r\n" % key for key in range(PROBES)]
    starts = [array.array("q"), array.array("q")]
    durations = [array.array("q"), array.array("q")]
    clock, turn = time.perf_counter_ns, 0
    ready.set()
    due = clock()
    while not stopping.value:
        request, reply = requests[turn % PROBES], replies[turn % PROBES]
        for client, begun, took in zip(clients, starts, durations):
            start = clock()
            client.send(request)
            answer = client.recv(256)
            end = clock()
            begun.append(start)
            took.append(end - start)
            if answer != reply:
                raise SystemExit(f"the prober was answered {answer!r}")
        turn += 1
        due += PERIOD_NANOSECONDS
        pause = due - clock()
        if pause > 0:
            time.sleep(pause / 1e9)
        else:
            due = clock()
    results.send([(begun.tobytes(), took.tobytes()) for begun, took in zip(starts, durations)])


class Growth:
    """When the table grew: `stats` sampled over one connection."""

    def __init__(self, server):
        self.server = server
        self.client = connect(server.port, 60)
        self.moments, self.states = [], []

    def sample(self):
        before = time.perf_counter_ns()
        stats = self.server.stats(self.client)
        self.moments.append(before)
        self.states.append((stats["hash_is_expanding"] == "1", int(stats["hash_power_level"])))

    def level(self, start, end):
        """The highest level told during that time if the table grew; None when it did not."""
        first = max(0, bisect.bisect_right(self.moments, start) - 1)
        last = min(len(self.moments) - 1, bisect.bisect_left(self.moments, end))
        states = self.states[first : last + 1]
        grew = any(expanding for expanding, _ in states) or states[0][1] != states[-1][1]
        return max(level for _, level in states) if grew else None

    def seconds(self):
        pairs = zip(self.moments, self.moments[1:])
        return sum(end - start for start, end in pairs if self.level(start, end) is not None) / 1e9


def grow(name, program, arguments):
    """Loads one server until all is stored; when it grew, the gets of the prober, and what is wrong."""
    options = ("-m", str(arguments.memory))
    with Server(name, program, *options) as server, Server(name, program, *options) as control:
        ready, stopping = multiprocessing.Event(), multiprocessing.Value("b", 0, lock=False)
        incoming, outgoing = multiprocessing.Pipe(duplex=False)
        # First of all connections, so that the worker thread that serves the prober serves no loader.
        prober = multiprocessing.Process(
            target=probe, args=((server.port, control.port), ready, stopping, outgoing), daemon=True
        )
        prober.start()
        if not ready.wait(30):
            raise SystemExit("the prober does not start")
        share = -(-arguments.items // LOADERS)
        loaders = [
            multiprocessing.Process(
                target=load, args=(server.port, first, min(first + share, arguments.items)), daemon=True
            )
            for first in range(0, arguments.items, share)
        ]
        growth, start = Growth(server), time.monotonic()
        for loader in loaders:
            loader.start()
        while any(loader.is_alive() for loader in loaders) or growth.states[-1][0]:
            growth.sample()
            time.sleep(SAMPLE_SECONDS)
        seconds = time.monotonic() - start
        growth.sample()
        stopping.value = 1
        gets = [(array.array("q", begun), array.array("q", took)) for begun, took in incoming.recv()]
        stats = server.stats()
        resident = server.resident_kilobytes() >> 10
    failures = [f"a loader ended with {loader.exitcode}" for loader in loaders if loader.exitcode]
    if int(stats["curr_items"]) != arguments.items + PROBES:
        failures.append(f"{stats['curr_items']} items of {arguments.items + PROBES} are there: more --memory?")
    print(f"{name}: {arguments.items} items in {seconds:.0f} s, {arguments.items / seconds / 1e3:.0f} k/s,", end=" ")
    print(f"level {growth.states[0][1]} to {stats['hash_power_level']}, growing for {growth.seconds():.1f} s,", end=" ")
    print(f"{len(growth.moments)} samples, RSS {resident} MB", flush=True)
    return growth, gets, failures


def percentile(durations, share):
    """In milliseconds; of a sorted list of nanoseconds."""
    return durations[min(len(durations) - 1, int(share * len(durations)))] / 1e6


def by_level(growth, gets):
    """For the loaded server and the control, durations by the level told while it grew, None when not."""
    levels = [{}, {}]
    for (starts, durations), found in zip(gets, levels):
        for start, duration in zip(starts, durations):
            found.setdefault(growth.level(start, start + duration), []).append(duration)
    return levels


def compare(levels, isGrowing):
    """The number of gets; p99.9, p99.99 and the longest, loaded and control; the difference of the longest."""
    row = []
    for found in levels:
        durations = sorted(d for level, some in found.items() if (level is not None) == isGrowing for d in some) or [0]
        row += [percentile(durations, share) for share in (0.999, 0.9999, 1)]
    return [len(durations)] + row + [row[2] - row[5]]


def main():
    parser = argparse.ArgumentParser()
    add_server_options(parser)
    parser.add_argument("--items", type=int, default=1 << 25)
    parser.add_argument("--memory", type=int, default=4096, help="-m of the servers; nothing may be evicted")
    parser.add_argument("--rounds", type=int, default=1)
    arguments = parser.parse_args()
    found, rows, differences, failures = programs(arguments), [], [], []
    # The longest while growing: (server, level) to (loaded, control).
    longest = collections.defaultdict(lambda: (0, 0))
    for _ in range(arguments.rounds):
        for name, program in found:
            growth, gets, faults = grow(name, program, arguments)
            levels = by_level(growth, gets)
            for phase in ("growing", "otherwise"):
                count, *values = compare(levels, phase == "growing")
                rows.append([name, phase, count] + [f"{value:.2f}" for value in values])
                if name == OURS and phase == "growing":
                    differences.append(values[-1])
            failures += faults if name == OURS else []
            for level in levels[LOADED].keys() - {None}:
                pair = (max(some.get(level, [0])) / 1e6 for some in levels)
                longest[name, level] = tuple(map(max, longest[name, level], pair))
    print("\nmilliseconds of single gets, and of the control's in the same time:")
    head = ["server", "table", "gets", "p99.9", "p99.99", "max", "control p99.9", "p99.99", "max", "max - control"]
    print_table(head, rows)
    print("\nlongest while growing, by the hash_power_level that the server told (control):")
    texts = {key: f"{loaded:.2f} ({control:.2f})" for key, (loaded, control) in longest.items()}
    levels = sorted({level for _, level in longest})
    print_table(
        ["level"] + [name for name, _ in found],
        [[level] + [texts.get((name, level), "") for name, _ in found] for level in levels],
    )
    difference = statistics.median(differences)
    if difference > LATEST_MILLISECONDS:
        failures.append(f"the longest get during growth is {difference:.2f} ms longer than the control's")
    return report(failures)


if __name__ == "__main__":
    sys.exit(main())
