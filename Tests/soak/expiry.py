#!/usr/bin/env python3
# How late expired items give their memory back when nobody reads. Two million items of about 100 bytes in a memory that
# is not full; most live 2 to 20 s, some an hour, some for ever. `stats` is sampled each 0.25 s. The k-th item that has
# left is compared with the k-th that fell due, so no server has to say which one it was; a cohort is what falls due in
# the same second. Items that live n seconds may stay up to n + 1 on a clock of whole seconds; that counts as late here.
#
# Then both servers are filled once more, with nothing that expires within an hour, and what they spend idle is
# measured. One server after the other, the idle ones together. Ours must be at most 5 s late, must lose nothing early,
# and must spend next to nothing when nothing expires. The CPU time of the first part holds four `stats` a second.
#
#   SERVER=.build/release/swiftcached Tests/soak/expiry.py [--items 2000000] [--patience 120] [--idle 60]
import argparse
import bisect
import collections
import math
import multiprocessing
import statistics
import sys
import time

from servers import Server, add_server_options, connect, expect, print_table, programs, report

OPTIONS = ("-m", "1024")
LATEST_SECONDS = 5
# A clock of whole seconds that truncates may be this early (memcached's is).
EARLIEST_SECONDS = -1.5
IDLE_MILLISECONDS_A_SECOND = 2
HOUR = 3600
NEVER = math.inf
# Of every 24 items in turn: 19 that expire, two that live long, three for ever.
MIXED = list(range(2, 21)) + [HOUR, HOUR, 0, 0, 0]
LASTING = [HOUR] * 21 + [0] * 3
BATCH = len(MIXED) * 20
LOADERS = 2


def load(port, first, last, lives, results):
    """Stores these items and sends back when each batch was stored (batches all have the same lives)."""
    client = connect(port, 60)
    value = b"v" * 70
    stored = []
    for start in range(first, last, BATCH):
        items = range(start, start + BATCH)
        client.sendall(
            b"".join(b"set item:%08d 0 %d 70\r\n%s\r\n" % (item, lives[item % len(lives)], value) for item in items)
        )
        expect(client, b"STORED\r\n" * BATCH)
        stored.append(time.monotonic())
    results.put(stored)


def fill(server, items, lives):
    """Starts the loaders; they answer on the queue."""
    results = multiprocessing.Queue()
    share = items // LOADERS // BATCH * BATCH
    loaders = [
        multiprocessing.Process(target=load, args=(server.port, first, first + share, lives, results), daemon=True)
        for first in range(0, LOADERS * share, share)
    ]
    for loader in loaders:
        loader.start()
    return loaders, results


def wait(loaders, results):
    stored = [moment for _ in loaders for moment in results.get(timeout=300)]
    for loader in loaders:
        loader.join()
    return sorted(stored)


def watch(server, client, samples, seconds, remaining):
    """Samples (moment, items gone, items, bytes) until no more than `remaining` items are left."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        stats = server.stats(client)
        items = int(stats["curr_items"])
        samples.append((time.monotonic(), int(stats["total_items"]) - items, items, int(stats["bytes"])))
        if items <= remaining:
            return
        time.sleep(0.25)


def lateness(stored, samples):
    """For each second's cohort, how late its items left; and the most memory that dead ones held, in bytes."""
    due = sorted(moment + life for moment in stored for life in MIXED if 0 < life < HOUR)
    weight = BATCH // len(MIXED)
    left = [gone for _, gone, _, _ in samples]
    cohorts = collections.defaultdict(list)
    for rank, moment in enumerate(due):
        index = bisect.bisect_left(left, (rank + 1) * weight)
        late = samples[index][0] - moment if index < len(samples) else NEVER
        cohorts[int(moment - due[0])].append(late)
    dead = [
        (bisect.bisect_right(due, moment) * weight - gone) * size / max(1, items)
        for moment, gone, items, size in samples
    ]
    return cohorts, max(dead)


def expire(server, arguments):
    """One server under the mixed load: rows of its cohorts, the summary, and what is wrong."""
    client = connect(server.port, 60)
    samples = []
    loaders, results = fill(server, arguments.items, MIXED)
    while any(loader.is_alive() for loader in loaders) and results.qsize() < LOADERS:
        watch(server, client, samples, 0.25, -1)
    stored = wait(loaders, results)
    total = len(stored) * BATCH
    lasting = total * sum(not 0 < life < HOUR for life in MIXED) // len(MIXED)
    cpu, start = server.cpu_seconds(), time.monotonic()
    watch(server, client, samples, 20 + arguments.patience, lasting)
    watch(server, client, samples, 3, -1)  # Whether it goes on and takes what should stay.
    cpu, watched = server.cpu_seconds() - cpu, time.monotonic() - start
    cohorts, dead_bytes = lateness(stored, samples)
    late = [value for cohort in cohorts.values() for value in cohort]
    missing = late.count(NEVER) * (BATCH // len(MIXED))
    _, _, items, size = samples[-1]
    print(f"{server.name}: {total} items stored in {stored[-1] - stored[0]:.1f} s; {lasting} should stay, {items} did")
    summary = [server.name, in_seconds(statistics.median(late)), in_seconds(max(late)), missing]
    summary += [f"{dead_bytes / (1 << 20):.0f}", f"{size / (1 << 20):.0f}", f"{cpu:.2f}"]
    summary += [f"{watched:.0f}", f"{cpu / watched * 60:.2f}"]
    failures = []
    if max(late) > LATEST_SECONDS:
        failures.append(f"seconds that the last to leave was late: {in_seconds(max(late))}; {missing} never left")
    if items < lasting or min(late) < EARLIEST_SECONDS:
        failures.append(f"items left early: {items} of {lasting} are there, the earliest by {-min(late):.1f} s")
    return cohorts, summary, failures


def idle(servers, arguments):
    """Milliseconds of CPU a second of servers that hold as many items, none of which expires."""
    for server in servers:
        wait(*fill(server, arguments.items, LASTING))
    time.sleep(2)
    before = [server.cpu_seconds() for server in servers]
    time.sleep(arguments.idle)
    return [1000 * (server.cpu_seconds() - cpu) / arguments.idle for server, cpu in zip(servers, before)]


def in_seconds(late):
    return "never" if late == NEVER else f"{late:.1f}"


def cell(cohort):
    return f"{in_seconds(statistics.median(cohort))} / {in_seconds(max(cohort))}"


def main():
    parser = argparse.ArgumentParser()
    add_server_options(parser)
    parser.add_argument("--items", type=int, default=2_000_000)
    parser.add_argument("--patience", type=float, default=120, help="seconds to wait after the last item is due")
    parser.add_argument("--idle", type=float, default=60, help="seconds to measure servers where nothing expires")
    arguments = parser.parse_args()
    found, results, failures = programs(arguments), [], []
    for name, program in found:
        with Server(name, program, *OPTIONS) as server:
            results.append(expire(server, arguments))
        if server.is_ours:
            failures += results[-1][2]
    servers = []
    try:
        servers += [Server(name, program, *OPTIONS) for name, program in found]
        costs = idle(servers, arguments)
    finally:
        for server in servers:
            server.stop()
    print("\nseconds late, median / worst, of what fell due in the same second:")
    seconds = sorted(set().union(*(cohorts for cohorts, _, _ in results)))
    print_table(
        ["second"] + [name for name, _ in found],
        [[s] + [cell(cohorts[s]) if s in cohorts else "" for cohorts, _, _ in results] for s in seconds],
    )
    print(f"\nall; what had not left {arguments.patience:.0f} s after it was due is counted as never:")
    head = ["server", "median s", "worst s", "never", "dead MB at most", "MB at the end", "CPU s", "in s", "a minute"]
    print_table(head + ["idle CPU ms/s"], [summary + [f"{cost:.2f}"] for (_, summary, _), cost in zip(results, costs)])
    if costs[0] > IDLE_MILLISECONDS_A_SECOND:
        failures.append(f"{costs[0]:.2f} ms of CPU a second where nothing expires")
    return report(failures)


if __name__ == "__main__":
    sys.exit(main())
