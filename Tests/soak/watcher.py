#!/usr/bin/env python3
# What a watcher that never reads costs: full load from several pipelining clients, in slices of ten seconds by turns
# without and with one connection that has asked for `watch fetchers mutations` and then reads nothing. Prints the ratio
# of the throughputs and the difference of the memory, and fails when either is worse than five per cent (of memory, and
# four megabytes besides, are allowed: buffers of one watcher are 400 KB). Pairs of slices next to each other are
# compared, each with the one before and the one behind, so that a machine that slows down slows both.
#
#   SERVER=.build/release/swiftcached Tests/soak/watcher.py [--seconds 60] [--slice 10] [--clients 4]
#
# Not a test of what the watcher is told: that is ServerTests/WatcherTests.
import argparse
import multiprocessing
import socket
import statistics
import sys
import time

from servers import OURS, Server, add_server_options, connect, receive, report

ALLOWED = 0.05
ALLOWED_KILOBYTES = 4096
# A cache of some size, so that five per cent of its memory mean something.
KEYS = 64 * 300
PIPELINE = 64


def load(port, number, requests, stopping):
    """Sets and gets in one pipeline after the other; counts the requests that were answered."""
    client = connect(port)
    client.settimeout(30)
    value = b"v" * 500
    batches = []
    for batch in range(16):
        request, size = b"", 0
        for index in range(PIPELINE):
            key = b"key:%d:%d" % (number, (batch * PIPELINE + index) % KEYS)
            if index % 8 == 0:
                request += b"set %s 0 0 %d\r\n%s\r\n" % (key, len(value), value)
                size += len(b"STORED\r\n")
            else:
                request += b"get %s\r\n" % key
                size += len(b"VALUE %s 0 %d\r\n\r\nEND\r\n" % (key, len(value))) + len(value)
        batches.append((request, size))
    for first in range(0, KEYS, PIPELINE):
        keys = range(first, first + PIPELINE)
        client.sendall(b"".join(b"set key:%d:%d 0 0 %d\r\n%s\r\n" % (number, key, len(value), value) for key in keys))
        receive(client, len(b"STORED\r\n") * PIPELINE)
    turn = 0
    while not stopping.is_set():
        request, size = batches[turn % len(batches)]
        client.sendall(request)
        receive(client, size)
        turn += 1
        requests[number] += PIPELINE
    client.close()


def watch(port):
    watcher = socket.socket()
    watcher.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    watcher.connect(("127.0.0.1", port))
    watcher.sendall(b"watch fetchers mutations\r\n")
    if watcher.recv(4) != b"OK\r\n":
        raise SystemExit("the server does not let us watch")
    return watcher


def measure(seconds, requests):
    """Requests a second, over a slice."""
    before, start = sum(requests), time.monotonic()
    time.sleep(seconds)
    return (sum(requests) - before) / (time.monotonic() - start)


def main():
    parser = argparse.ArgumentParser()
    add_server_options(parser)
    parser.add_argument("--seconds", type=float, default=60, help="with a watcher, and as many without")
    parser.add_argument("--slice", type=float, default=10)
    parser.add_argument("--clients", type=int, default=4)
    arguments = parser.parse_args()
    server = Server(OURS, arguments.server, "-m", "64")
    requests = multiprocessing.Array("Q", arguments.clients, lock=False)
    stopping = multiprocessing.Event()
    clients = [
        multiprocessing.Process(target=load, args=(server.port, number, requests, stopping), daemon=True)
        for number in range(arguments.clients)
    ]
    try:
        for client in clients:
            client.start()
        measure(min(arguments.slice, 3), requests)  # Everything is touched once before memory is measured.
        pairs = max(1, round(arguments.seconds / arguments.slice))
        # One more without than with: each slice with a watcher has one before and one behind.
        without, watched, memory_without, memory_watched = [], [], [], []
        for _ in range(pairs):
            without.append(measure(arguments.slice, requests))
            memory_without.append(server.resident_kilobytes())
            watcher = watch(server.port)
            watched.append(measure(arguments.slice, requests))
            memory_watched.append(server.resident_kilobytes())
            watcher.close()
            print(f"without {without[-1]:10.0f}/s {memory_without[-1]:8d} KB", end="   ")
            print(f"with {watched[-1]:10.0f}/s {memory_watched[-1]:8d} KB", flush=True)
        without.append(measure(arguments.slice, requests))
        dropped = server.stats().get("log_worker_dropped", "0")
        if not all(client.is_alive() for client in clients):
            raise SystemExit("a client has failed")
    finally:
        stopping.set()
        for client in clients:
            if client.pid:
                client.join(10)
        server.stop()
    ratios = [2 * value / (without[index] + without[index + 1]) for index, value in enumerate(watched)]
    ratio = statistics.median(ratios)
    growth = max(memory_watched) - min(memory_without)
    noise = [second / first for first, second in zip(without, without[1:])]
    allowed = memory_without[0] * ALLOWED + ALLOWED_KILOBYTES
    print(f"throughput with a watcher that never reads: {ratio:.4f} of that without (median of {len(ratios)};")
    print(f"  single: {' '.join(f'{value:.3f}' for value in ratios)}; without, slice by slice:", end=" ")
    print(f"{' '.join(f'{value:.3f}' for value in noise)})")
    share = growth / memory_without[0]
    print(f"memory: {growth:+d} KB of {memory_without[0]} KB ({share:+.2%}); {dropped} lines dropped")
    failures = []
    if ratio < 1 - ALLOWED:
        failures.append(f"throughput falls by {1 - ratio:.1%}, more than {ALLOWED:.0%}")
    if growth > allowed:
        failures.append(f"memory grows by {growth} KB, more than {allowed:.0f} KB")
    if int(dropped) == 0:
        failures.append("no line was dropped: the watcher was never full, nothing was measured")
    return report(failures)


if __name__ == "__main__":
    sys.exit(main())
