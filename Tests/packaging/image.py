#!/usr/bin/env python3
# Follows the Dockerfile's last stage in a chroot, step by step and with the same commands, then uses the result as a
# container engine would: its entry point with and without options, its user, its health check, its signals. No engine is
# involved, so nothing is said about layers or registries. Root only.
# Usage: image.py FOLDER     FOLDER holds what the build stage leaves in /out (make install DESTDIR=FOLDER)
# It also starts the server with the command lines of the compose file and the Kubernetes examples.
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import time

import yaml

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import chroot  # noqa: E402

ROOT = chroot.ROOT
DOCKERFILE = ROOT / "docker/Dockerfile"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
KNOWN = {"FROM", "RUN", "COPY", "WORKDIR", "USER", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT", "CMD"}


def instructions():
    """(word, rest) of each instruction, continued lines joined, stages as lists."""
    text = re.sub(r"\\\n\s*", " ", "\n".join(
        line for line in DOCKERFILE.read_text().splitlines() if not line.lstrip().startswith("#")))
    stages = []
    for line in filter(None, map(str.strip, text.splitlines())):
        word, rest = line.split(None, 1)
        if word not in KNOWN:
            raise SystemExit(f"FAILED: {word} is no instruction this test follows")
        if word == "FROM":
            stages.append([])
        stages[-1].append((word, rest))
    return stages


def check(condition, text):
    if not condition:
        raise SystemExit(f"FAILED: {text}")
    print(f"ok - {text}", flush=True)


def build(stage, root, out):
    """Follows the stage; what a container started from it gets."""
    facts = {}
    for word, rest in stage:
        if word == "RUN":
            done = chroot.enter(root, "sh", "-c", rest, capture_output=True, text=True)
            check(done.returncode == 0, f"RUN {rest[:70]}" + done.stderr[-500:] * (done.returncode != 0))
        elif word == "COPY":
            words = rest.split()
            source = out if words[0] == "--from=build" else ROOT
            target = root / words[-1].lstrip("/")
            target.mkdir(parents=True, exist_ok=True)
            for name in words[:-1]:
                if name.startswith("--"):
                    continue
                path = source / (name.removeprefix("/out/") if source == out else name)
                for file in sorted(path.iterdir()) if path.is_dir() else [path]:
                    chroot.run("cp", "-a", file, target)
            check(True, f"COPY {rest}")
        else:
            facts[word] = rest
    return facts


class Container:
    """The image started with these words after its name."""

    def __init__(self, root, facts, *words):
        command = json.loads(facts["ENTRYPOINT"]) + (list(words) or json.loads(facts["CMD"]))
        script = 'mount -t proc proc "$0/proc"; ip link set lo up; exec chroot --userspec=memcache:memcache "$0" "$@"'
        # The engine's first process is the container's process 1, so that signals go to it.
        self.process = subprocess.Popen(
            ["unshare", "--mount", "--pid", "--net", "--fork", "--kill-child", "sh", "-c", script, root, *command],
            env={"PATH": PATH}, stderr=subprocess.PIPE, text=True)
        self.root = root
        self.first = None
        deadline = time.monotonic() + 10
        while self.first is None and time.monotonic() < deadline and self.process.poll() is None:
            children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
            names = [pathlib.Path(f"/proc/{child}/comm").read_text().strip() for child in children]
            self.first = children[0] if names == ["memcached"] else None
            time.sleep(0.02)

    def execute(self, *command, user="memcache:memcache"):
        """docker exec."""
        return subprocess.run(
            ["nsenter", "--target", self.first, "--mount", "--pid", "--net", "chroot", f"--userspec={user}", self.root,
             *command], env={"PATH": PATH}, capture_output=True, text=True)

    def healthy(self, facts):
        command = json.loads(re.search(r"CMD (\[.*\])", facts["HEALTHCHECK"]).group(1))
        for _ in range(50):
            done = self.execute(*command)
            if done.returncode == 0:
                return done.stdout.strip()
            time.sleep(0.1)
        return None

    def end(self, signal):
        os.kill(int(self.first), signal)
        return self.process.wait(timeout=10)


def use(root, facts, *words):
    """Starts, asks for health, and stops; what the health check said."""
    container = Container(root, facts, *words)
    said = container.first and container.healthy(facts)
    if not said:
        container.process.kill()
        raise SystemExit(f"FAILED: {words}: not healthy: {container.process.communicate()[1]}")
    status = pathlib.Path(f"/proc/{container.first}/status").read_text()
    users = re.search(r"Uid:\t(.*)", status).group(1).split()
    if users != ["11211"] * 4:
        raise SystemExit(f"FAILED: {words}: runs as {users}")
    ended = container.end(15)
    if ended != 0:
        raise SystemExit(f"FAILED: {words}: SIGTERM ended it with {ended}")
    return said


def argument_lists(node):
    """Every list of words under `args` or `command` of a container, or in the example comments' notation."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("args", "command") and isinstance(value, list) and str(value[0]).startswith("-"):
                yield [str(word) for word in value]
            else:
                yield from argument_lists(value)
    elif isinstance(node, list):
        for value in node:
            yield from argument_lists(value)


def main():
    if os.geteuid() != 0:
        sys.exit("make image-test needs root: it makes a chroot")
    out = pathlib.Path(sys.argv[1])
    stages = instructions()
    check(stages[0][0][1].startswith("swift:") and any("make install" in rest for _, rest in stages[0]),
          "the build stage is `make install` on Debian 12, which this machine did")
    root = chroot.copy("image")
    facts = build(stages[-1], root, out)
    check(facts["USER"] == "memcache" and facts["EXPOSE"] == "11211", "user memcache, port 11211")
    identity = chroot.enter(root, "id", "memcache", capture_output=True, text=True).stdout.strip()
    check("uid=11211(memcache) gid=11211(memcache)" in identity, identity)
    print("ok - docker run IMAGE:", use(root, facts))
    print("ok - docker run IMAGE -m 256 -p 11300:", use(root, facts, "-m", "256", "-p", "11300"))
    print("ok - docker run IMAGE memcached -m 256 -s /tmp/s:",
          use(root, facts, "memcached", "-m", "256", "-s", "/tmp/s"))
    print("ok - docker run IMAGE -o drop_privileges:", use(root, facts, "-o", "drop_privileges"))
    done = chroot.enter(root, "docker-entrypoint.sh", "sh", "-c", "echo a command of its own", user="memcache:memcache",
                        capture_output=True, text=True)
    check(done.stdout == "a command of its own\n", "docker run IMAGE sh -c ...")

    container = Container(root, facts)
    assert container.healthy(facts)
    os.kill(int(container.first), 19)
    check(container.execute("docker-healthcheck.sh").returncode != 0, "a server that hangs is not healthy")
    os.kill(int(container.first), 18)
    done = container.execute("/bin/sh", "-c", "/usr/bin/pkill -10 memcached; sleep 1")
    check(container.process.wait(timeout=10) == 0 and "Gracefully stopping" in container.process.stderr.read(),
          "pkill -10 memcached ends it gracefully, with 0")

    for path in [ROOT / "docker/compose.yaml", *sorted((ROOT / "docker/kubernetes").glob("*.yaml"))]:
        text = path.read_text()
        documents = list(yaml.safe_load_all(text))
        lists = [words for document in documents for words in argument_lists(document)]
        lists += [json.loads(words) for words in re.findall(r"# args: (\[.*\])", text)]
        unique = [words for index, words in enumerate(lists) if words not in lists[:index]]
        check(unique, f"{path.name} is YAML, with {len(unique)} command lines")
        for words in unique:
            print(f"ok - {shlex.join(words)}:", use(root, facts, *words))
    shutil.rmtree(root)


main()
