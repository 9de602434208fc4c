# What the soaks share: starting a server on a free port, asking it for its statistics, what the kernel says of its
# process, and printing a table. Which servers: ours is SERVER, the other is OPPONENT (`memcached` unless told), which
# may be missing. Standard library only. Not a test itself.
import os
import shutil
import socket
import subprocess
import time

OURS = "ours"
OPPONENT = "memcached"


def add_server_options(parser):
    parser.add_argument("--server", default=os.environ.get("SERVER") or ".build/release/swiftcached")
    parser.add_argument("--opponent", default=os.environ.get("OPPONENT") or "memcached", help="skipped when missing")


def programs(arguments):
    """The servers to compare, ours first: (name, program)."""
    found = [(OURS, arguments.server)]
    if shutil.which(arguments.opponent):
        found.append((OPPONENT, arguments.opponent))
    else:
        print(f"{arguments.opponent} is not installed; ours only")
    return found


def connect(port, timeout=None):
    client = socket.create_connection(("127.0.0.1", port), timeout)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


def receive(client, count):
    """Reads that many bytes and forgets them."""
    while count > 0:
        part = client.recv(min(count, 1 << 20))
        if not part:
            raise ConnectionError("the server has closed the connection")
        count -= len(part)


def expect(client, reply):
    """Reads as many bytes as the reply has, and they must be it."""
    text = b""
    while len(text) < len(reply):
        part = client.recv(len(reply) - len(text))
        if not part:
            raise ConnectionError("the server has closed the connection")
        text += part
    if text != reply:
        raise ConnectionError(f"unexpected reply {text[:80]!r}")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A running server; `with Server(...)` stops it at the end."""

    def __init__(self, name, program, *options, port=None):
        self.name = name
        self.port = port or free_port()
        command = [program, "-l", "127.0.0.1", "-p", str(self.port), "-U", "0", *options]
        if os.getuid() == 0:
            command += ["-u", "nobody"]
        self.process = subprocess.Popen(command)
        for _ in range(500):
            if self.process.poll() is not None:
                raise SystemExit(f"{program} does not start")
            try:
                connect(self.port).close()
                return
            except OSError:
                time.sleep(0.01)
        self.stop()
        raise SystemExit(f"{program} does not listen")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.process.terminate()
        self.process.wait()

    @property
    def is_ours(self):
        return self.name == OURS

    def stats(self, client=None):
        """General statistics as a dictionary of texts, over a connection of their own unless one is given."""
        own = client or connect(self.port, 30)
        own.sendall(b"stats\r\n")
        text = b""
        while not text.endswith(b"END\r\n"):
            part = own.recv(65536)
            if not part:
                raise ConnectionError("the server has closed the connection")
            text += part
        if client is None:
            own.close()
        lines = (line.split(" ", 2) for line in text.decode().split("\r\n") if line.startswith("STAT "))
        return {words[1]: words[2] for words in lines}

    def resident_kilobytes(self):
        with open(f"/proc/{self.process.pid}/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))

    def cpu_seconds(self):
        """User and system time of all its threads so far."""
        with open(f"/proc/{self.process.pid}/stat") as stat:
            words = stat.read().rpartition(") ")[2].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def print_table(head, rows):
    """Columns as wide as they need to be; the first one to the left, the others to the right."""
    lines = [head] + [[str(cell) for cell in row] for row in rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    for line in lines:
        cells = [cell.rjust(width) for cell, width in zip(line, widths)]
        print("  ".join([line[0].ljust(widths[0])] + cells[1:]))


def report(failures):
    """Prints what failed, and is the exit status."""
    for failure in failures:
        print("FAILED:", failure)
    return 1 if failures else 0
