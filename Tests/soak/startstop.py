#!/usr/bin/env python3
# How long a server takes to start and to stop. Start: from starting the process with -m 1024 to the first answered
# `version`, asked for again and again from the first moment on; the median of 20, servers in turn, must be at most
# 10 ms for ours. Stop: from SIGTERM to the end of the process with 10,000 open connections that have all been used;
# at most one second. The bars are ours alone; the other server is there to tell what the machine can do.
#
#   SERVER=.build/release/swiftcached Tests/soak/startstop.py [--starts 20] [--connections 10000] [--stops 3]
import argparse
import os
import resource
import signal
import socket
import statistics
import subprocess
import sys
import time

from servers import OURS, Server, add_server_options, expect, free_port, print_table, programs, report

START_MILLISECONDS = 10
STOP_SECONDS = 1
PAUSE_SECONDS = 0.0001
LONGEST_SECONDS = 10


def start_once(program):
    """Milliseconds from starting the program to its answer."""
    port = free_port()
    command = [program, "-l", "127.0.0.1", "-p", str(port), "-U", "0", "-m", "1024"]
    if os.getuid() == 0:
        command += ["-u", "nobody"]
    begun = time.perf_counter()
    # close_fds would ask for every descriptor that might be open.
    process = subprocess.Popen(command, close_fds=False)
    try:
        while time.perf_counter() < begun + LONGEST_SECONDS:
            try:
                client = socket.create_connection(("127.0.0.1", port), 5)
            except ConnectionRefusedError:
                time.sleep(PAUSE_SECONDS)
                continue
            with client:
                client.sendall(b"version\r\n")
                answer = client.recv(256)
                milliseconds = (time.perf_counter() - begun) * 1000
            if not answer.startswith(b"VERSION "):
                raise SystemExit(f"{program} answers {answer!r}")
            return milliseconds
        raise SystemExit(f"{program} does not answer")
    finally:
        process.terminate()
        process.wait()


def stop_once(name, program, connections, limit):
    """Seconds from SIGTERM to the end; the exit status; the connections that were open."""
    server = Server(name, program, "-c", str(limit))
    clients = []
    try:
        for _ in range(connections):
            clients.append(socket.create_connection(("127.0.0.1", server.port), 10))
            clients[-1].sendall(b"mn\r\n")
        for client in clients:
            expect(client, b"MN\r\n")
        begun = time.perf_counter()
        server.process.send_signal(signal.SIGTERM)
        status = server.process.wait()
        return time.perf_counter() - begun, status
    finally:
        for client in clients:
            client.close()
        server.stop()


def main():
    parser = argparse.ArgumentParser()
    add_server_options(parser)
    parser.add_argument("--starts", type=int, default=20)
    parser.add_argument("--stops", type=int, default=3)
    parser.add_argument("--connections", type=int, default=10_000)
    arguments = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if most < arguments.connections + 100:
        return report([f"--connections {arguments.connections}: only {most} files may be open; see ulimit -n"])
    found, failures = programs(arguments), []
    starts = {name: [] for name, _ in found}
    for _ in range(arguments.starts):
        for name, program in found:
            starts[name].append(start_once(program))
    stops = {name: [] for name, _ in found}
    for _ in range(arguments.stops):
        for name, program in found:
            seconds, status = stop_once(name, program, arguments.connections, min(most, arguments.connections + 1000))
            stops[name].append(seconds)
            if name == OURS and status != 0:
                failures.append(f"exit status {status} after SIGTERM")
    print_table(
        ["server", "ms to the first answer, median", "least", "most", "ms to stop, median", "most"],
        [
            [name]
            + [f"{value:.2f}" for value in (statistics.median(starts[name]), min(starts[name]), max(starts[name]))]
            + [f"{value * 1000:.0f}" for value in (statistics.median(stops[name]), max(stops[name]))]
            for name, _ in found
        ],
    )
    start, stop = statistics.median(starts[OURS]), max(stops[OURS])
    if start > START_MILLISECONDS:
        failures.append(f"{start:.1f} ms to the first answer, more than {START_MILLISECONDS}")
    if stop > STOP_SECONDS:
        failures.append(f"{stop:.2f} s to stop with {arguments.connections} connections, more than {STOP_SECONDS}")
    return report(failures)


if __name__ == "__main__":
    sys.exit(main())
