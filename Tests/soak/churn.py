#!/usr/bin/env python3
# Connections that come and go: clients connect, send one get, read its value and close, as fast as they can, in slices
# by turns against each server. Every get must be answered with the value; at the end the server must count as many
# connections as were made, have none left, no more descriptors than after the first slice, and no more memory but a
# megabyte. Connections a second and CPU for each are printed beside the other server's, and no bar.
#
#   SERVER=.build/release/swiftcached Tests/soak/churn.py [--seconds 30] [--slice 3] [--clients 2]
#
# The client closes first, as real ones do, so its ports stay in TIME_WAIT for a minute: each process takes many
# addresses of the loopback network in turn, so that ports do not run out.
import argparse
import multiprocessing
import os
import socket
import statistics
import sys
import time

from servers import OURS, Server, add_server_options, connect, expect, print_table, programs, report

ALLOWED_KILOBYTES = 1024
ADDRESSES = 50
# Linux: choose the port when connecting, where the other end is known.
IP_BIND_ADDRESS_NO_PORT = 24
REQUEST = b"get churn\r\n"
REPLY = b"VALUE churn 0 100\r\n" + b"v" * 100 + b"\r\nEND\r\n"


def churn(ports, number, current, made, wrong):
    """Connects to the server that `current` names (none below zero) until it is -2."""
    turn = 0
    while (index := current.value) != -2:
        if index < 0:
            time.sleep(0.001)
            continue
        client = socket.socket()
        client.settimeout(10)
        turn += 1
        try:
            client.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
            client.bind((f"127.0.{number + 1}.{turn % ADDRESSES + 1}", 0))
            client.connect(("127.0.0.1", ports[index]))
            client.send(REQUEST)
            answer = client.recv(4096)
            while 0 < len(answer) < len(REPLY) and (more := client.recv(4096)):
                answer += more
            wrong[index] += answer != REPLY
        except OSError:
            wrong[index] += 1
        made[index] += 1
        client.close()


class Churned:
    """One server's slices: rates, CPU, memory and descriptors after each."""

    def __init__(self, server):
        self.server = server
        client = connect(server.port, 10)
        client.sendall(b"set churn 0 0 100\r\n" + b"v" * 100 + b"\r\n")
        expect(client, b"STORED\r\n")
        client.close()
        self.rates, self.costs, self.memory, self.descriptors = [], [], [], []
        self.connections = int(server.stats()["total_connections"])

    def settled(self):
        """Waits until only the asking connection is left; what `stats` says."""
        for _ in range(100):
            stats = self.server.stats()
            if int(stats["curr_connections"]) <= self.idle:
                break
            time.sleep(0.05)
        return stats

    def rest(self):
        self.idle = int(self.server.stats()["curr_connections"])

    def finish_slice(self, count, seconds, cpu):
        self.rates.append(count / seconds)
        self.costs.append(cpu / count * 1e6)
        self.settled()
        self.memory.append(self.server.resident_kilobytes())
        self.descriptors.append(len(os.listdir(f"/proc/{self.server.process.pid}/fd")))


def run_slice(index, churned, seconds, current, made):
    before, cpu, start = made_of(made, index), churned.server.cpu_seconds(), time.monotonic()
    current.value = index
    time.sleep(seconds)
    current.value = -1
    elapsed, count = time.monotonic() - start, made_of(made, index) - before
    time.sleep(0.1)  # The last ones are answered and closed.
    churned.finish_slice(count, elapsed, churned.server.cpu_seconds() - cpu)


def made_of(made, index):
    return sum(counts[index] for counts in made)


def main():
    parser = argparse.ArgumentParser()
    add_server_options(parser)
    parser.add_argument("--seconds", type=float, default=30, help="of each server, besides the first slice")
    parser.add_argument("--slice", type=float, default=3)
    parser.add_argument("--clients", type=int, default=2)
    arguments = parser.parse_args()
    servers = [Server(name, program, "-m", "64") for name, program in programs(arguments)]
    current = multiprocessing.Value("i", -1, lock=False)
    made = [multiprocessing.Array("Q", len(servers), lock=False) for _ in range(arguments.clients)]
    wrong = [multiprocessing.Array("Q", len(servers), lock=False) for _ in range(arguments.clients)]
    ports = [server.port for server in servers]
    clients = [
        multiprocessing.Process(target=churn, args=(ports, number, current, made[number], wrong[number]), daemon=True)
        for number in range(arguments.clients)
    ]
    failures = []
    try:
        churned = [Churned(server) for server in servers]
        for one in churned:
            one.rest()
        for client in clients:
            client.start()
        for _ in range(1 + max(1, round(arguments.seconds / arguments.slice))):
            for index, one in enumerate(churned):
                run_slice(index, one, arguments.slice, current, made)
        current.value = -2
        for client in clients:
            client.join(20)
        for index, one in enumerate(churned):
            stats = one.settled()
            one.lost = made_of(wrong, index)
            one.counted = int(stats["total_connections"]) - one.connections
            one.left = int(stats["curr_connections"]) - one.idle
            if one.server.name == OURS:
                failures += faults(one, made_of(made, index))
    finally:
        current.value = -2
        for server in servers:
            server.stop()
    head = ["server", "connections/s", "lowest", "CPU us each", "made", "lost", "left"]
    head += ["KB, first slice", "last", "descriptors, first", "last"]
    print_table(
        head,
        [
            [one.server.name, f"{statistics.median(one.rates[1:]):.0f}", f"{min(one.rates[1:]):.0f}"]
            + [f"{statistics.median(one.costs[1:]):.1f}", made_of(made, index), one.lost, one.left]
            + [one.memory[0], one.memory[-1], one.descriptors[0], one.descriptors[-1]]
            for index, one in enumerate(churned)
        ],
    )
    for theirs in churned[1:]:
        rate = statistics.median(ours / other for ours, other in zip(churned[0].rates[1:], theirs.rates[1:]))
        cost = statistics.median(ours / other for ours, other in zip(churned[0].costs[1:], theirs.costs[1:]))
        print(f"ours by {theirs.server.name}'s, slice by slice: connections {rate:.3f}, CPU {cost:.3f}")
    return report(failures)


def faults(one, made):
    """What is wrong with ours."""
    found = []
    if one.lost:
        found.append(f"{one.lost} of {made} gets were not answered right")
    if one.counted < made:
        found.append(f"the server has counted {one.counted} connections of {made}")
    if one.left > 0:
        found.append(f"{one.left} connections are left")
    if one.descriptors[-1] > one.descriptors[0]:
        found.append(f"descriptors: {one.descriptors[0]} after the first slice, {one.descriptors[-1]} at the end")
    if one.memory[-1] > one.memory[0] + ALLOWED_KILOBYTES:
        found.append(f"memory: {one.memory[0]} KB after the first slice, {one.memory[-1]} KB at the end")
    return found


if __name__ == "__main__":
    sys.exit(main())
