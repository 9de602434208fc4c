#!/usr/bin/env python3
# What a server built with the debug verbs (make debug-server) answers to misbehave, debugtime and debugitem, and what
# they do. Fails at the first wrong answer. Usage: SERVER=.build/debug-verbs/debug/swiftcached Tests/debug/verbs.py
# That no other build knows the verbs is in Tests/Transcripts/commands-of-other-builds.txt.
import os
import socket
import subprocess
import time

SERVER = os.environ["SERVER"]


class Client:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.settimeout(10)
        self.lines = self.socket.makefile("rb")

    def send(self, line):
        self.socket.sendall(line.encode() + b"\r\n")

    def line(self):
        return self.lines.readline().decode().removesuffix("\r\n")

    def answers(self, line, *expected):
        self.send(line)
        for wanted in expected:
            answer = self.line()
            assert answer == wanted, f"{line!r}: expected {wanted!r}, got {answer!r}"

    def stat(self, name):
        self.send("stats")
        rows = dict(line.split(" ")[1:3] for line in iter(self.line, "END"))
        return int(rows[name])

    def is_silent(self):
        """Nothing comes for a while. What would come is on its way within a turn of the event loop."""
        self.socket.settimeout(0.3)
        try:
            return self.socket.recv(1, socket.MSG_PEEK) is None
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(10)


def misbehaviour(a, _):
    # Nothing confines this process.
    a.answers("misbehave", "ERROR")


def clock(a, b):
    for line in ("debugtime", "debugtime x", "debugtime 1x", "debugtime 99999999999"):
        a.answers(line, "ERROR")
    a.answers("debugtime p", "OK")
    a.answers("debugtime p", "OK")
    stand = a.stat("uptime")
    a.answers("set mortal 0 100 1\r\nv", "STORED")
    a.answers("debugtime 90", "OK")
    a.answers("get mortal", "VALUE mortal 0 1", "v", "END")
    a.answers("debugtime -50\r\nmg mortal t", "OK", "HD t60")
    a.answers("debugtime +70", "OK")
    a.answers("get mortal", "END")
    # Another worker sees the same time, and a flush that has come due.
    assert b.stat("uptime") == stand + 110
    a.answers("set flushed 0 0 1\r\nv", "STORED")
    a.answers("flush_all 100", "OK")
    a.answers("debugtime +99\r\nget flushed", "OK", "VALUE flushed 0 1", "v", "END")
    a.answers("debugtime +1\r\nget flushed", "OK", "END")
    time.sleep(1.2)
    assert b.stat("uptime") == stand + 210, "a paused clock went on"
    a.answers("debugtime r noreply\r\nversion", "VERSION 1.6.45")
    assert a.stat("uptime") == stand + 210, "a clock that resumes goes on from where it stood"
    time.sleep(1.2)
    assert a.stat("uptime") > stand + 210, "a resumed clock stands"
    # Idle clients and the crawler meet a clock that has gone back, as far as it may, and one that has gone far ahead.
    a.answers("debugtime -2147483648", "OK")
    assert a.stat("uptime") == 0
    a.answers("lru_crawler crawl all", "OK")
    time.sleep(2.5)
    a.answers("debugtime 2147483647\r\ndebugtime 2147483647", "OK", "OK")
    a.answers("set late 0 100 1\r\nv", "STORED")
    a.answers("lru_crawler crawl all", "OK")
    time.sleep(1)
    a.answers("mg late t", "HD t100")


def held_items(a, b):
    for line in ("debugitem", "debugitem ref", "debugitem steal number", "debugitem ref " + "k" * 251):
        a.answers(line, "ERROR")
    for verb in ("ref", "unref"):
        a.answers(f"debugitem {verb} nobody", "MISS")
    a.answers("set number 0 0 1\r\n5", "STORED")

    def items_made_by_incr():
        before = a.stat("total_items")
        a.answers("incr number 1\r\ndecr number 1", "6", "5")
        return a.stat("total_items") - before

    # A number is changed in place unless somebody holds it.
    assert items_made_by_incr() == 0
    a.answers("debugitem ref number", "OK")
    assert items_made_by_incr() == 1, "a held item was changed in place"
    a.answers("debugitem ref number", "OK")
    a.answers("delete number", "DELETED")
    b.answers("debugitem unref number\r\ndebugitem unref number\r\ndebugitem unref number", "OK", "OK", "MISS")


def locked_items(a, b):
    a.answers("set locked 0 0 1\r\nv", "STORED")
    a.answers("debugitem unlock locked", "ERROR")
    b.answers("debugitem lock locked", "OK")
    for verb in ("lock", "ref", "unref"):
        b.answers(f"debugitem {verb} locked", "ERROR")
    # The two clients have a worker each.
    a.send("get locked")
    assert a.is_silent(), "a locked item was read"
    b.answers("debugitem unlock locked", "OK")
    for line in ("VALUE locked 0 1", "v", "END"):
        assert a.line() == line


def confined(a, _):
    """With -o drop_privileges."""
    a.answers("misbehave", "OK")


def run(checks, *more):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    options = ["-l", "127.0.0.1", "-p", str(port), "-U", "0", "-t", "2", "-o", "idle_timeout=1000", *more]
    server = subprocess.Popen([SERVER, *user, *options])
    try:
        end = time.monotonic() + 10
        while True:
            try:
                a = Client(port)
                break
            except ConnectionRefusedError:
                assert server.poll() is None and time.monotonic() < end, "the server does not listen"
                time.sleep(0.02)
        b = Client(port)
        for check in checks:
            check(a, b)
            assert server.poll() is None, "the server has ended"
            print("passed:", check.__name__)
    finally:
        server.terminate()
        status = server.wait(10)
    assert status == 0, f"the server ended with {status}"


run((misbehaviour, held_items, locked_items, clock))
run((confined,), "-o", "drop_privileges")
