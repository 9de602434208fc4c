#!/usr/bin/env python3
# TLS with clients that nobody here wrote: Python's ssl module, `openssl s_client` and pymemcache-like use over a wrapped
# socket. Makes its own certificates, starts the server it is given (SERVER) again and again with other options, and
# ends with 1 at the first thing that is not as Docs/tls.md says. Prints a line a check.
#
#   SERVER=.build/debug/swiftcached Tests/tls/check.py [--garbage 1000]
import argparse
import os
import random
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time

SERVER = os.environ["SERVER"]
FOLDER = tempfile.mkdtemp(prefix="swiftcached-tls-")
os.chmod(FOLDER, 0o755)
checks = 0
# What a sanitizer keeps of freed memory is no leak.
with open(SERVER, "rb") as program:
    text = program.read()
IS_SANITIZED = b"__asan_init" in text or b"__tsan_init" in text


def path(name):
    return os.path.join(FOLDER, name)


def openssl(*words, text=None):
    result = subprocess.run(["openssl", *words], cwd=FOLDER, input=text, capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"openssl {' '.join(words)}: {result.stderr}")


def make_authority(name):
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.pem")


def make_certificate(name, authority, days="30"):
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
    with open(path("extensions"), "w") as file:
        file.write("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{authority}.pem", "-CAkey", f"{authority}.key", "-set_serial", str(random.getrandbits(60)), "-days", days, "-extfile", "extensions", "-out", f"{name}.pem")
    os.chmod(path(f"{name}.key"), 0o644)


def make_expired(name, authority):
    make_certificate(name, authority)
    with open(path("ca.cnf"), "w") as file:
        file.write(
            "[ca]\ndefault_ca=d\n[d]\ndatabase=index\nnew_certs_dir=.\nserial=serial\ndefault_md=sha256\npolicy=p\n"
            f"certificate={authority}.pem\nprivate_key={authority}.key\nunique_subject=no\n[p]\ncommonName=supplied\n"
        )
    open(path("index"), "w").close()
    with open(path("serial"), "w") as file:
        file.write("1000\n")
    openssl("ca", "-batch", "-config", "ca.cnf", "-startdate", "20200101000000Z", "-enddate", "20200201000000Z", "-in", f"{name}.csr", "-out", f"{name}.pem", "-notext")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    def __init__(self, *options, tls=True, listen=None, chain="server.pem", key="server.key"):
        self.port = free_port()
        self.other = free_port()
        words = [SERVER, "-U", "0", "-p", str(self.port)]
        words += ["-l", (listen or "127.0.0.1").format(port=self.port, other=self.other)]
        if os.geteuid() == 0:
            words += ["-u", "nobody"]
        if tls:
            words += ["-Z", "-o", f"ssl_chain_cert={path(chain)},ssl_key={path(key)}"]
        self.process = subprocess.Popen(words + list(options), stderr=subprocess.PIPE, text=True)
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", self.port), 5).close()
                return
            except OSError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.05)
        sys.exit(f"the server did not start: {self.process.stderr.read()}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            if self.process.wait(10) != 0:
                sys.exit(f"the server ended with {self.process.returncode}: {self.process.stderr.read()}")
        except subprocess.TimeoutExpired:
            self.process.kill()
            sys.exit("the server did not stop")

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def resident(self):
        with open(f"/proc/{self.process.pid}/status") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))

    def stats(self, client):
        client.send(b"stats\r\n")
        rows = {}
        while (line := client.line()) != b"END":
            _, name, value = line.decode().split(" ", 2)
            rows[name] = value
        return rows


class Client:
    """A connection; over TLS unless told otherwise."""

    def __init__(self, port, certificate=None, tls=True, authority="authority", low=None, high=None):
        plain = socket.create_connection(("127.0.0.1", port), 10)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = plain
        if tls:
            context = ssl.create_default_context(cafile=path(f"{authority}.pem"))
            if certificate:
                context.load_cert_chain(path(f"{certificate}.pem"), path(f"{certificate}.key"))
            if low:
                context.minimum_version = low
            if high:
                context.maximum_version = high
            self.socket = context.wrap_socket(plain, server_hostname="localhost")
        self.rest = b""

    def send(self, data):
        self.socket.sendall(data)

    def more(self):
        data = self.socket.recv(1 << 16)
        if not data:
            raise ConnectionError("closed")
        self.rest += data

    def line(self):
        while b"\r\n" not in self.rest:
            self.more()
        line, self.rest = self.rest.split(b"\r\n", 1)
        return line

    def bytes(self, count):
        while len(self.rest) < count:
            self.more()
        data, self.rest = self.rest[:count], self.rest[count:]
        return data

    def set(self, key, value):
        self.send(b"set %s 0 0 %d\r\n%s\r\n" % (key, len(value), value))
        return self.line()

    def get(self, key):
        self.send(b"get %s\r\n" % key)
        line = self.line()
        if line == b"END":
            return None
        value = self.bytes(int(line.split()[3]) + 2)[:-2]
        if self.line() != b"END":
            raise ConnectionError("no END")
        return value

    def close(self):
        self.socket.close()


def check(what, condition, more=""):
    global checks
    checks += 1
    if not condition:
        sys.exit(f"NOT {what} {more}")
    print(f"ok  {what} {more}", flush=True)


def refused(*arguments, **named):
    """How a client that should not get in learns it; with TLS 1.3 only its first read tells."""
    try:
        client = Client(*arguments, **named)
        client.send(b"version\r\n")
        return not client.line().startswith(b"VERSION")
    except (OSError, ConnectionError):
        return True


def values(client, largest):
    for size in [0, 1, 100, 16384, 16385, 70_000, largest]:
        value = random.Random(size).randbytes(size)
        if client.set(b"k%d" % size, value) != b"STORED" or client.get(b"k%d" % size) != value:
            return False
    return True


def reading_and_writing():
    with Server("-I", "4m", "-m", "64") as server:
        for name, low, high in [("1.2", ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2), ("1.3", ssl.TLSVersion.TLSv1_3, None)]:
            client = Client(server.port, low=low, high=high)
            check(f"TLS {name}: values up to 3 MB", values(client, 3_000_000), client.socket.version())
            client.send(b"".join(b"set p%d 0 0 5\r\nhello\r\n" % i for i in range(2000)))
            check(f"TLS {name}: 2,000 pipelined sets", all(client.line() == b"STORED" for _ in range(2000)))
            client.send(b"".join(b"mg p%d v\r\n" % i for i in range(2000)))
            check(f"TLS {name}: 2,000 pipelined mgs", all(client.line() == b"VA 5" and client.line() == b"hello" for _ in range(2000)))
            client.send(bytes.fromhex("80"))
            client.close()
        binary = Client(server.port)
        binary.send(struct.pack(">BBHBBHIIQ", 0x80, 0x0B, 0, 0, 0, 0, 0, 7, 0))
        head = binary.bytes(24)
        check("the binary protocol", head[0] == 0x81 and binary.bytes(struct.unpack(">I", head[8:12])[0]).count(b".") == 2)
        slow = Client(server.port)
        slow.set(b"big", b"x" * 2_000_000)
        slow.send(b"get big\r\n" * 20)
        time.sleep(0.5)
        ok = all(slow.line().endswith(b"2000000") and slow.bytes(2_000_002) and slow.line() == b"END" for _ in range(20))
        check("40 MB to a client that reads late", ok)
        watcher = Client(server.port)
        watcher.send(b"watch\r\n")
        check("no watchers over TLS", watcher.line().startswith(b"CLIENT_ERROR"))
        result = subprocess.run(["openssl", "s_client", "-quiet", "-connect", f"127.0.0.1:{server.port}", "-CAfile", path("authority.pem"), "-verify_return_error"], input="set s 0 0 2\r\nhi\r\nget s\r\nquit\r\n", capture_output=True, text=True, timeout=20)
        check("openssl s_client", "STORED" in result.stdout and "VALUE s 0 2\nhi" in result.stdout.replace("\r", ""))
        check("plain text on a TLS port gets nothing", refused(server.port, tls=False))


def threads():
    with Server("-t", "4") as server:
        failures = []

        def work(number):
            try:
                client = Client(server.port)
                numbers = random.Random(number)
                for step in range(300):
                    key, value = b"t%d-%d" % (number, step % 20), numbers.randbytes(numbers.randrange(30_000))
                    if client.set(key, value) != b"STORED" or client.get(key) != value:
                        raise ConnectionError("a wrong value")
            except (OSError, ConnectionError) as error:
                failures.append(repr(error))

        workers = [threading.Thread(target=work, args=(number,)) for number in range(16)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        check("16 clients at once, 4,800 values compared", not failures, str(failures[:1]))


def client_certificates():
    authority = f"ssl_ca_cert={path('authority.pem')}"
    for mode, absent, foreign in [(0, True, True), (1, True, False), (2, False, False), (3, False, False)]:
        with Server("-o", f"ssl_verify_mode={mode},{authority}") as server:
            check(f"ssl_verify_mode {mode}: a good certificate", not refused(server.port, "client"))
            check(f"ssl_verify_mode {mode}: none is {'let in' if absent else 'refused'}", refused(server.port) != absent)
            for name in ["stranger", "expired"]:
                check(f"ssl_verify_mode {mode}: the {name} one is {'let in' if foreign else 'refused'}", refused(server.port, name) != foreign)
    with Server("-o", f"{authority}", listen="mtls:127.0.0.1:{port},btls:127.0.0.1:{other}") as server:
        check("mtls: a good certificate", not refused(server.port, "client"))
        check("mtls: none is refused", refused(server.port))
        check("btls beside it: none is let in", not refused(server.other))
    with Server(listen="127.0.0.1:{port},notls:127.0.0.1:{other}") as server:
        check("notls beside TLS", not refused(server.other, tls=False) and not refused(server.port))
    with Server("-o", "ssl_min_version=3") as server:
        check("ssl_min_version 3 refuses 1.2", refused(server.port, high=ssl.TLSVersion.TLSv1_2) and not refused(server.port))
    with Server("-o", "ssl_session_cache") as server:
        client = Client(server.port)
        check("ssl_new_sessions", int(server.stats(client)["ssl_new_sessions"]) >= 1)


def reloading():
    for how in ["refresh_certs", "SIGHUP", "the change alone"]:
        shutil.copy(path("server.pem"), path("current.pem"))
        shutil.copy(path("server.key"), path("current.key"))
        with Server(chain="current.pem", key="current.key") as server:
            old = Client(server.port)
            old.set(b"a", b"1")
            shutil.copy(path("newer.pem"), path("current.pem"))
            shutil.copy(path("newer.key"), path("current.key"))
            if how == "refresh_certs":
                old.send(b"refresh_certs\r\n")
                check("refresh_certs: OK", old.line() == b"OK")
            if how == "SIGHUP":
                server.process.send_signal(signal.SIGHUP)
            deadline = time.monotonic() + 20
            while refused(server.port, authority="other") and time.monotonic() < deadline:
                time.sleep(0.2)
            check(f"{how}: new connections get the new certificate", not refused(server.port, authority="other"))
            check(f"{how}: old connections go on", old.get(b"a") == b"1")
            with open(path("current.key"), "w") as file:
                file.write("no key\n")
            old.send(b"refresh_certs\r\n")
            line = old.line()
            check(f"{how}: a bad file changes nothing", line.startswith(b"Error loading the key") and not refused(server.port, authority="other"), line.decode()[:60])
            rows = server.stats(old)
            check("the certificate's end in stats", int(rows["ssl_server_cert_not_after"]) > time.time() + 86400 * 20)
    with Server(tls=False) as server:
        client = Client(server.port, tls=False)
        client.send(b"refresh_certs\r\n")
        check("refresh_certs without TLS", client.line() == b"Error TLS not enabled")


def garbage(count):
    with Server("-c", "4096") as server:
        client = Client(server.port)
        client.set(b"a", b"1")
        numbers = random.Random(7)

        def attack():
            sockets = []
            for number in range(count):
                plain = socket.create_connection(("127.0.0.1", server.port), 10)
                kind = number % 4
                if kind == 0:
                    plain.sendall(numbers.randbytes(numbers.randrange(1, 3000)))
                elif kind == 1:
                    plain.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + numbers.randbytes(numbers.randrange(600)))
                elif kind == 2:
                    plain.sendall(b"get a\r\n")
                sockets.append(plain)
                if len(sockets) > 100:
                    sockets.pop(0).close()
            for plain in sockets:
                plain.close()

        attack()
        settled(server, client)
        descriptors, resident = server.descriptors(), server.resident()
        for _ in range(3):
            attack()
        settled(server, client, descriptors)
        more = f"{descriptors} -> {server.descriptors()} descriptors, {resident} -> {server.resident()} kB"
        check(f"{3 * count} garbage handshakes leave nothing", server.descriptors() <= descriptors and (IS_SANITIZED or server.resident() < resident + 2048), more)
        rows = server.stats(client)
        check("they are counted", int(rows["ssl_handshake_errors"]) >= count, rows["ssl_handshake_errors"])
        check("and the one client is served", client.get(b"a") == b"1")


def settled(server, client, descriptors=0):
    """Waits until the clients have gone that are still in the listener's queue too: until the counts stand still."""
    last, calm = None, 0
    for _ in range(600):
        now = server.stats(client)["total_connections"], server.descriptors()
        gone = int(server.stats(client)["curr_connections"]) <= 2 and (not descriptors or now[1] <= descriptors)
        calm = calm + 1 if gone and now == last else 0
        if calm == 5:
            return
        last = now
        time.sleep(0.1)


def half_open():
    with Server() as server:
        client = Client(server.port)
        late = socket.create_connection(("127.0.0.1", server.port), 30)
        late.sendall(b"\x16\x03\x01")
        start = time.monotonic()
        late.settimeout(20)
        try:
            ended = late.recv(1) in (b"",)
        except ConnectionError:
            ended = True
        except TimeoutError:
            ended = False
        check("a handshake that stops is ended", ended, f"after {time.monotonic() - start:.0f} s")
        check("and counted", int(server.stats(client)["ssl_handshake_errors"]) >= 1)


def logging_in():
    """A certificate opens the door of TLS, and no other: with -Y and -S there is still a login behind it."""
    with open(path("users"), "w") as file:
        file.write("user:word\n")
    with Server("-Y", path("users"), listen="127.0.0.1:{port},notls:127.0.0.1:{other}") as server:
        for port, tls in [(server.port, True), (server.other, False)]:
            client = Client(port, tls=tls)
            client.send(b"get key\r\n")
            check(f"-Y, TLS {tls}: nothing before the login", client.line() == b"CLIENT_ERROR unauthenticated")
            check(f"-Y, TLS {tls}: a wrong password", client.set(b"any", b"user wrod").endswith(b"authentication failure"))
            check(f"-Y, TLS {tls}: the right one", client.set(b"any", b"user word") == b"STORED")
            check(f"-Y, TLS {tls}: and then everything", client.get(b"any") is None)
    header = lambda opcode, key=b"", value=b"": struct.pack(
        ">BBHBBHIIQ", 0x80, opcode, len(key), 0, 0, 0, len(key) + len(value), 0, 0) + key + value
    os.environ["MEMCACHED_SASL_PWDB"] = path("users")
    with Server("-S") as server:
        for password, status in [(b"wrod", 0x20), (b"word", 0)]:
            client = Client(server.port)
            client.send(header(0x21, b"PLAIN", b"\0user\0" + password) + header(0x0A))
            reply = client.bytes(24)
            client.bytes(reply[11])
            check(f"-S over TLS: {password}", reply[7] == status and client.bytes(24)[7] == status)
    del os.environ["MEMCACHED_SASL_PWDB"]


def complaints():
    def start(*options):
        words = [SERVER, "-p", str(free_port()), "-U", "0"] + (["-u", "nobody"] if os.geteuid() == 0 else [])
        result = subprocess.run(words + list(options), capture_output=True, text=True, timeout=20)
        return result.returncode, result.stderr.strip()

    for options, status, text in [
        (["-Z"], 64, "-Z needs a certificate"),
        (["-Z", "-o", f"ssl_chain_cert=/nowhere,ssl_key={path('server.key')}"], 64, "Error loading the certificate chain: /nowhere"),
        (["-Z", "-o", f"ssl_chain_cert={path('server.pem')},ssl_key=/nowhere"], 64, "Error loading the key: /nowhere"),
        (["-Z", "-o", f"ssl_chain_cert={path('server.pem')},ssl_key={path('newer.key')}"], 64, "Error"),
        (["-Z", "-o", f"ssl_chain_cert={path('server.pem')},ssl_key={path('server.key')},ssl_ciphers=NONSENSE"], 64, "Error setting the provided cipher(s): NONSENSE"),
        (["-Z", "-o", f"ssl_chain_cert={path('server.pem')},ssl_key={path('server.key')},ssl_ca_cert=/nowhere"], 64, "Error loading the CA certificate: /nowhere"),
        (["-o", "ssl_verify_mode=4"], 1, "Invalid ssl_verify_mode. Use help to see valid options."),
        (["-o", "ssl_min_version=9"], 1, "Invalid ssl_min_version. Use help to see valid options."),
        (["-l", "mtls:127.0.0.1"], 71, "'mtls' option is valid only when SSL is enabled"),
    ]:
        result = start(*options)
        check(f"refused: {text}", result[0] == status and text in result[1], str(result))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--garbage", type=int, default=1000)
    arguments = parser.parse_args()
    make_authority("authority")
    make_authority("other")
    make_certificate("server", "authority")
    make_certificate("newer", "other")
    make_certificate("client", "authority")
    make_certificate("stranger", "other")
    make_expired("expired", "authority")
    complaints()
    reading_and_writing()
    threads()
    client_certificates()
    reloading()
    logging_in()
    garbage(arguments.garbage)
    half_open()
    print(f"{checks} checks passed")


try:
    main()
finally:
    shutil.rmtree(FOLDER, ignore_errors=True)
