#!/usr/bin/env python3
# Runs the tools that people keep beside a memcached server, as their distributors ship them, against ours, and prints a
# table of what each showed. Ends with 1 when one failed or was missing.
# Usage: run.py [--server PROGRAM] [--quick] [NAME ...]
#   SERVER   the environment's path of the server, .build/release/swiftcached by default
#   TOOLS    folder with the packages that are only unpacked, .build/tools by default (see `make tools`)
#   --quick  only what needs no packages but those of `make test`
#   NAME     only tools whose names begin with this
# The server holds items of three sizes with and without a TTL, and has seen hits and misses of every kind.

import argparse
import fcntl
import json
import os
import pathlib
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(HERE), str(HERE.parent / "soak")]
import strict  # noqa: E402
from servers import Server, connect, report  # noqa: E402

TOOLS = pathlib.Path(os.environ.get("TOOLS") or ROOT / ".build/tools").resolve()
SCRIPTS = pathlib.Path("/usr/share/memcached/scripts")
SMALL, LARGE = 150, 3
ITEM_COUNT = SMALL + LARGE
SECONDS_A_TOOL = 60


def fill(port):
    """Items and counts that the tools below look for."""
    with connect(port, 10) as client:
        stream = client.makefile("rwb")

        def say(line, data=None):
            stream.write(line.encode() + b"\r\n" + (data + b"\r\n" if data is not None else b""))
            stream.flush()
            reply = stream.readline()
            while reply.startswith(b"VALUE"):
                stream.read(int(reply.split()[3]) + 2)
                reply = stream.readline()
            return reply

        for index in range(SMALL):
            assert say(f"set small-{index} {index} {index % 2 * 3600} 5", b"value") == b"STORED\r\n"
        for index in range(LARGE):
            assert say(f"set large-{index} 0 0 100000", b"L" * 100000) == b"STORED\r\n"
        for index in range(100):
            say(f"get small-{index}")
            say(f"get absent-{index}")
        for line in ("touch small-0 3600", "touch absent 1", "delete absent", "incr absent 1", "decr absent 1"):
            say(line)
        say("cas absent 0 0 1 1", b"x")


def run(*command, environment=None, status=0, folder=None, data=None):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=SECONDS_A_TOOL,
                          env={**os.environ, **(environment or {})}, cwd=folder, input=data)
    assert done.returncode == status, f"status {done.returncode}: {(done.stderr or done.stdout)[-300:]}"
    return done.stdout


def address(server):
    return f"127.0.0.1:{server.port}"


# memcached's own scripts.

def memcached_tool(server):
    script = SCRIPTS / "memcached-tool"
    rows = [line.split() for line in run(script, address(server), "display").splitlines()]
    assert rows[0][:2] == ["#", "Item_Size"], rows[0]
    counts = sum(int(row[4]) for row in rows[1:] if len(row) > 4)
    assert counts == ITEM_COUNT, f"display counts {counts} items"
    stats = run(script, address(server), "stats")
    assert re.search(rf"curr_items\s+{ITEM_COUNT}\b", stats), stats
    settings = run(script, address(server), "settings")
    assert re.search(r"maxconns\s+1024", settings), settings
    sizes = run(script, address(server), "sizes")
    sized = sum(int(words[1]) for words in map(str.split, sizes.splitlines())
                if len(words) == 2 and all(word.isdigit() for word in words))
    assert sized == ITEM_COUNT, f"sizes counts {sized} items"
    dump = run(script, address(server), "dump")
    assert dump.count("add ") == ITEM_COUNT, f"dump has {dump.count('add ')} items"
    return f"display, stats, settings, sizes; dump of {ITEM_COUNT} items"


def memcached_tool_keys(server):
    text = run(SCRIPTS / "memcached-tool", address(server), "keys")
    found = len(set(re.findall(r"(?:small|large)-\d+", text)))
    assert found == ITEM_COUNT, f"{found} keys: {text[:200]}"
    return f"{found} keys"


def damemtop(server):
    """It draws on a terminal until it is stopped."""
    with tempfile.TemporaryDirectory() as folder:
        conf = pathlib.Path(folder) / ".damemtop/damemtop.yaml"
        conf.parent.mkdir()
        conf.write_text(
            f"delay: 1\nmode: t\ntop_mode:\n  sort_column: hostname\n  sort_order: asc\n  columns:\n    - hostname\n"
            f"    - all_version\n    - all_fill_rate\n    - hit_rate\n    - evictions\n    - curr_items\nservers:\n"
            f"    - {address(server)}\n")
        child, terminal = pty.fork()
        if child == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 160, 0, 0))
            os.environ.update(TERM="xterm", HOME=folder)
            os.execvp("perl", ["perl", str(SCRIPTS / "damemtop")])
        text = read_for(terminal, 8, lambda text: "1.6.45" in text and text.count("hostname") > 1)
        os.kill(child, signal.SIGINT)
        time.sleep(0.2)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert "1.6.45" in text and address(server).split(":")[0] in text, repr(text[-400:])
    return "top view with version and fill rate"


def read_for(descriptor, seconds, enough):
    deadline, text = time.monotonic() + seconds, ""
    while time.monotonic() < deadline and not enough(text):
        if not select.select([descriptor], [], [], 0.2)[0]:
            continue
        try:
            text += os.read(descriptor, 65536).decode(errors="replace")
        except OSError:
            break
    return text


# libmemcached's tools.

def libmemcached(server):
    servers = f"--servers={address(server)}"
    text = run("memcstat", servers)
    assert re.search(rf"curr_items: {ITEM_COUNT}\b", text), text
    keys = run("memcdump", servers).split()
    assert len(set(keys)) == ITEM_COUNT, f"memcdump shows {len(set(keys))} keys"
    assert run("memccat", servers, "small-7").strip() == "value"
    run("memcping", servers)
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "copied").write_text("from a file")
        run("memccp", servers, "copied", folder=folder)
    assert run("memccat", servers, "copied").strip() == "from a file"
    run("memctouch", servers, "--expire=100", "copied")
    run("memcexist", servers, "copied")
    run("memcrm", servers, "copied")
    run("memcexist", servers, "copied", status=1)
    return f"memcstat, memcdump {ITEM_COUNT} keys, memccat, memcping, memccp, memctouch, memcexist, memcrm"


# Monitors.

def munin(server):
    plugin = TOOLS / "usr/share/munin/plugins/memcached_"
    environment = {
        "PERL5LIB": str(TOOLS / "usr/share/perl5"), "host": "127.0.0.1", "port": str(server.port),
        "MUNIN_LIBDIR": str(TOOLS / "usr/share/munin"), "MUNIN_CAP_MULTIGRAPH": "1",
        "MUNIN_PLUGSTATE": tempfile.gettempdir(), "MUNIN_STATEFILE": f"{tempfile.gettempdir()}/munin-memcached"}
    assert run("perl", plugin, "autoconf", environment=environment).startswith("yes"), "autoconf says no"
    shown = []
    for graph in run("perl", plugin, "suggest", environment=environment).split():
        with tempfile.TemporaryDirectory() as folder:
            link = pathlib.Path(folder) / f"memcached_{graph}"
            link.symlink_to(plugin)
            config = run("perl", link, "config", environment=environment)
            values = re.findall(r"(\S+)\.value (\S+)", run("perl", link, environment=environment))
            assert "graph_title" in config and values, f"{graph}: {values}"
            assert all(re.fullmatch(r"-?[\d.]+", value) for _, value in values), f"{graph}: {values}"
            shown.append(f"{graph} {len(values)}")
    assert shown, "no graphs"
    return f"{len(shown)} graphs ({', '.join(shown)} values)"


def collectd(server):
    with tempfile.TemporaryDirectory() as folder:
        conf = pathlib.Path(folder) / "collectd.conf"
        conf.write_text(
            f'Hostname "here"\nInterval 1\nBaseDir "{folder}"\nPIDFile "{folder}/pid"\n'
            f'PluginDir "{TOOLS}/usr/lib/collectd"\nTypesDB "{TOOLS}/usr/share/collectd/types.db"\n'
            f'LoadPlugin csv\nLoadPlugin memcached\n<Plugin csv>\n DataDir "{folder}/data"\n</Plugin>\n'
            f'<Plugin memcached>\n <Instance "here">\n  Host "127.0.0.1"\n  Port "{server.port}"\n </Instance>\n'
            "</Plugin>\n")
        libraries = ":".join(str(path) for path in (TOOLS / "usr/lib").glob("*-linux-gnu"))
        process = subprocess.Popen([TOOLS / "usr/sbin/collectd", "-f", "-C", conf], stderr=subprocess.PIPE,
                                   env={**os.environ, "LD_LIBRARY_PATH": libraries})
        try:
            time.sleep(5)
        finally:
            process.terminate()
            errors = process.communicate()[1].decode()
        files = {path.name.rsplit("-", 3)[0]: path.read_text().splitlines()[-1]
                 for path in (pathlib.Path(folder) / "data").rglob("*-20*")}
    assert f"{ITEM_COUNT}" in files.get("memcached_items-current", ""), f"{files} {errors[-300:]}"
    return f"{len(files)} kinds of values, items {ITEM_COUNT}"


def check_memcached(server):
    plugin = TOOLS / "usr/lib/nagios/plugins/check_memcached"
    # It keeps a history in the cache, and wants more hits than misses, which the server has not had.
    text = run(plugin, "-H", address(server), "-w", "0.1")
    assert "OK" in text, text
    assert strict.pairs(strict.ask(server.port, "stats")[0], "stats")["curr_items"] == str(ITEM_COUNT + 1)
    return " ".join(text.split())[:60]


def netdata(server):
    """Its collector's own functions, without the agent around it."""
    folder = next(TOOLS.glob("usr/lib*/netdata/python.d"), None) or next(TOOLS.glob("usr/libexec/netdata/python.d"))
    script = (
        "import sys, json\n"
        f"sys.path[:0] = [{str(folder)!r}, {str(folder / 'python_modules')!r}]\n"
        "import importlib.util, importlib.machinery\n"
        f"loader = importlib.machinery.SourceFileLoader('m', {str(folder / 'memcached.chart.py')!r})\n"
        "spec = importlib.util.spec_from_loader('m', loader)\n"
        "module = importlib.util.module_from_spec(spec)\nloader.exec_module(module)\n"
        f"service = module.Service({{'host': '127.0.0.1', 'port': {server.port}, 'update_every': 1, 'priority': 1,"
        " 'job_name': 'here', 'override_name': None, 'penalty': 0, 'autodetection_retry': 0, 'chart_cleanup': 0})\n"
        "assert service.check(), 'check() says no'\n"
        "data = service.get_data()\n"
        "names = {line[0] for chart in module.CHARTS.values() for line in chart['lines']}\n"
        "print(json.dumps([len(data), sorted(names - set(data)), int(data['curr_items'])]))\n")
    count, missing, items = json.loads(run("python3", "-c", script).splitlines()[-1])
    assert items == ITEM_COUNT, items
    return f"check() yes, {count} values" + (f", charts without value: {missing}" if missing else "")


def on_port(parser):
    return lambda server: parser(server.port)


# name, package for the version, function, quick
TABLE = [
    ("memcached-tool", "memcached", memcached_tool, True),
    ("memcached-tool keys", "memcached", memcached_tool_keys, True),
    ("damemtop", "memcached", damemtop, False),
    ("libmemcached tools", "libmemcached-tools", libmemcached, True),
    ("munin memcached_", "munin-plugins-extra", munin, False),
    ("collectd memcached", "collectd-core", collectd, False),
    ("check_memcached", "monitoring-plugins-contrib", check_memcached, False),
    ("netdata memcached", "netdata-plugins-python", netdata, False),
    ("rules of memcached_exporter", None, on_port(strict.exporter), True),
    ("rules of telegraf", None, on_port(strict.telegraf), True),
    ("buffer of collectd", None, on_port(strict.collectd_buffer), True),
    ("names of mtop", None, on_port(strict.mtop), True),
]


def version(package):
    if package is None:
        return ""
    installed = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package], capture_output=True, text=True)
    unpacked = sorted((TOOLS / "packages").glob(f"{package}_*.deb"))
    return installed.stdout or (unpacked[-1].name.split("_")[1].replace("%3a", ":") if unpacked else "?")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--server", default=os.environ.get("SERVER") or ROOT / ".build/release/swiftcached")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    rows, failures = [], []
    for name, package, tool, quick in TABLE:
        if arguments.quick and not quick or arguments.names and not name.startswith(tuple(arguments.names)):
            continue
        with Server(name, arguments.server, "-m", "64") as server:
            fill(server.port)
            try:
                shown = tool(server)
            except (AssertionError, OSError, KeyError, StopIteration, ValueError, subprocess.SubprocessError) as error:
                shown = f"FAILED: {type(error).__name__}"
                failures.append(f"{name}: {error}")
        rows.append([name, version(package), shown])
    width = max(len(row[0]) for row in rows)
    for name, number, shown in rows:
        print(f"{name.ljust(width)}  {number.ljust(20)}  {shown}")
    sys.exit(report(failures))


if __name__ == "__main__":
    main()
