# pymemcache, Pinterest's client in pure Python: text protocol with noreply by default, serializers, prefixes, pools, a
# hashing client, raw commands. Usage: pymemcache-client.py text ADDRESS
# It does not read what it did not ask for, so a reply too much or too few shows in the next command.

import importlib.metadata
import re
import threading

from pymemcache import serde
from pymemcache.client.base import Client, PooledClient
from pymemcache.client.hash import HashClient
from pymemcache.client.retrying import RetryingClient
from pymemcache.exceptions import MemcacheClientError, MemcacheIllegalInputError, MemcacheServerError
from pymemcache.exceptions import MemcacheUnknownCommandError

from tap import ADDRESS, BINARY, HOST, IS_UNIX, LARGE, PORT, TOO_LARGE
from tap import case, main, raises, same, true, until

SERVER = ADDRESS if IS_UNIX else (HOST, PORT)


def client(**options):
    return Client(SERVER, **{"timeout": 10, "connect_timeout": 10, "default_noreply": False, **options})


@case
def storing():
    c = client(no_delay=not IS_UNIX)
    same("set", c.set("storing", b"one"), True)
    same("get", c.get("storing"), b"one")
    same("get of a missing key", c.get("storing-none"), None)
    same("get with a default", c.get("storing-none", 7), 7)
    same("add of a present key", c.add("storing", "x"), False)
    same("add of a missing key", c.add("storing-new", "x"), True)
    same("replace of a present key", c.replace("storing-new", "y"), True)
    same("replace of a missing key", c.replace("storing-none", "y"), False)
    same("append", c.append("storing", b" end"), True)
    same("prepend", c.prepend("storing", b"begin "), True)
    same("after append and prepend", c.get("storing"), b"begin one end")
    same("append to a missing key", c.append("storing-none", "x"), False)
    same("prepend to a missing key", c.prepend("storing-none", "x"), False)
    same("delete", c.delete("storing"), True)
    same("delete again", c.delete("storing"), False)
    same("bytes of every kind", (c.set("storing", BINARY), c.get("storing")), (True, BINARY))
    same("an empty value", (c.set("storing", b""), c.get("storing")), (True, b""))
    c["storing"] = "by subscript"
    same("subscript", c["storing"], b"by subscript")
    del c["storing"]
    raises("subscript of a missing key", KeyError, lambda: c["storing"])


@case
def many():
    c = client()
    values = {f"many-{n}": b"v" * n for n in range(500)}
    same("set_many", c.set_many(values), [])
    same("get_many", c.get_many(list(values) + ["many-none"]), values)
    same("get_many of nothing", c.get_many([]), {})
    pairs = c.gets_many(["many-1", "many-2", "many-none"])
    same("gets_many", {key: pair[0] for key, pair in pairs.items()}, {"many-1": b"v", "many-2": b"vv"})
    true("two uniques", pairs["many-1"][1] != pairs["many-2"][1])
    same("delete_many", c.delete_many(list(values)[:100]), True)
    same("after delete_many", len(c.get_many(list(values))), 400)
    same("set_many with flags", c.set_many({"many-a": b"1", "many-b": b"2"}, flags=65535), [])


@case
def swapping():
    c = client()
    c.set("swapping", "one")
    value, unique = c.gets("swapping")
    same("gets", value, b"one")
    same("cas", c.cas("swapping", "two", unique), True)
    same("cas with an old unique", c.cas("swapping", "three", unique), False)
    same("after cas", c.get("swapping"), b"two")
    same("cas of a missing key", c.cas("swapping-none", "x", unique), None)
    same("gets of a missing key", c.gets("swapping-none"), (None, None))
    raises("cas with a word", MemcacheIllegalInputError, lambda: c.cas("swapping", "x", "word"))
    same("cas with the greatest unique", c.cas("swapping", "x", str(2**64 - 1)), False)


@case
def counting():
    c = client()
    c.set("counting", "10")
    same("incr", c.incr("counting", 1), 11)
    same("incr by much", c.incr("counting", 2**40), 2**40 + 11)
    same("decr", c.decr("counting", 2**40), 11)
    same("decr below zero", c.decr("counting", 100), 0)
    same("incr of a missing key", c.incr("counting-none", 1), None)
    same("decr of a missing key", c.decr("counting-none", 1), None)
    c.set("counting", str(2**64 - 1))
    same("incr over the end", c.incr("counting", 2), 1)
    c.set("counting", "word")
    raises("incr of a word", MemcacheClientError, lambda: c.incr("counting", 1), "non-numeric")
    raises("incr by a word", MemcacheIllegalInputError, lambda: c.incr("counting", "word"))
    same("the connection is of use after it", c.get("counting"), b"word")
    c.set("counting", "100")
    same("decr to fewer digits", c.decr("counting", 1), 99)
    true("the value of a decremented counter", c.get("counting") in (b"99", b"99 "))


@case
def expiring():
    c = client()
    same("set for two seconds", c.set("expiring", "v", expire=2), True)
    same("set in the past", c.set("expiring-past", "v", expire=-1), True)
    same("get from the past", c.get("expiring-past"), None)
    c.set_many({"expiring-saved": "v", "expiring-gone": "v"}, expire=2)
    c.set("expiring-cut", "v")
    same("touch to be longer", c.touch("expiring-saved", 100), True)
    same("touch to be shorter", c.touch("expiring-cut", 2), True)
    same("touch of a missing key", c.touch("expiring-none", 100), False)
    names = ["expiring", "expiring-saved", "expiring-gone", "expiring-cut"]
    same("all before", sorted(c.get_many(names)), sorted(names))
    true("one is left after", until(lambda: list(c.get_many(names)) == ["expiring-saved"]))
    same("replace after expiry", c.replace("expiring", "x"), False)
    same("add after expiry", c.add("expiring", "x"), True)


@case
def sizes():
    c = client()
    same("set of 512,000 bytes", c.set("sizes", LARGE), True)
    same("get of 512,000 bytes", c.get("sizes"), LARGE)
    raises("set of 2 MB", MemcacheServerError, lambda: c.set("sizes", TOO_LARGE), "too large")
    same("no stale value after it", client().get("sizes"), None)
    key = "k" * 250
    same("a key of 250", (c.set(key, "v"), c.get(key)), (True, b"v"))
    raises("a key of 251", MemcacheIllegalInputError, lambda: c.set("k" * 251, "v"))
    raises("a key of 251 that the server sees", MemcacheClientError, lambda: c.raw_command("get " + "k" * 251))


@case
def odd_keys():
    c = client(allow_unicode_keys=True)
    names = ["schlüssel", "ключ", "k,;:=/?[]{}|", "get", "noreply", "0"]
    for name in names:
        same(f"set of {name}", c.set(name, name.encode()), True)
    same("get of all", c.get_many(names), {name: name.encode() for name in names})
    raises("a key with a blank", MemcacheIllegalInputError, lambda: c.set("a key", "v"))
    prefixed = client(key_prefix="pre:")
    prefixed.set("a", "v")
    same("a key with a prefix", (prefixed.get_many(["a", "b"]), c.get("pre:a")), ({"a": b"v"}, b"v"))


@case
def quiet():
    c = client(default_noreply=True)
    for n in range(300):
        c.set(f"quiet-{n}", str(n))
    c.add("quiet-0", "no")
    c.replace("quiet-1", "one")
    c.append("quiet-2", "!")
    c.prepend("quiet-3", "?")
    c.incr("quiet-4", 10, noreply=True)
    c.decr("quiet-5", 10, noreply=True)
    c.touch("quiet-6", 100)
    c.delete("quiet-7")
    c.delete_many(["quiet-8", "quiet-none"])
    c.cas("quiet-9", "no", 1)
    c.set_many({"quiet-many": "v"})
    same("the next reply is the right one", c.get("quiet-299"), b"299")
    got = c.get_many([f"quiet-{n}" for n in range(10)] + ["quiet-many"])
    expected = {0: b"0", 1: b"one", 2: b"2!", 3: b"?3", 4: b"14", 5: b"0", 6: b"6", 9: b"9"}
    same("what they did", got, {f"quiet-{n}": v for n, v in expected.items()} | {"quiet-many": b"v"})
    c.flush_all()
    same("flush_all without a reply", c.get("quiet-299"), None)


@case
def serializers():
    c = client(serde=serde.pickle_serde)
    for name, value in {"bytes": b"a", "text": "žluť", "integer": -5, "list": [1, None, "x"], "float": 1.5}.items():
        same(f"{name} through pickle", (c.set("serial", value), c.get("serial")), (True, value))
    c = client(serde=serde.CompressedSerde(min_compress_len=100))
    same("compressed", (c.set("serial", "a" * 100000), c.get("serial")), (True, "a" * 100000))


@case
def other_clients():
    pooled = PooledClient(SERVER, max_pool_size=4, timeout=10, default_noreply=False)
    pooled.set("pooled", "0")

    def work():
        for _ in range(100):
            pooled.incr("pooled", 1)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    same("a pool's counter", pooled.get("pooled"), b"400")
    hashed = HashClient([SERVER], timeout=10, use_pooling=True, default_noreply=False)
    same("HashClient set_many", hashed.set_many({"h1": "1", "h2": "2"}), [])
    same("HashClient get_many", hashed.get_many(["h1", "h2", "h3"]), {"h1": b"1", "h2": b"2"})
    same("HashClient gets_many", {k: v[0] for k, v in hashed.gets_many(["h1", "h3"]).items()}, {"h1": b"1"})
    retrying = RetryingClient(client(), attempts=2)
    same("RetryingClient", (retrying.set("r", "1"), retrying.get("r")), (True, b"1"))


@case
def commands():
    c = client()
    true("version", re.match(rb"\d+\.\d+\.\d+", c.version()))
    same("raw version", c.raw_command("version"), b"VERSION " + c.version())
    same("raw verbosity", c.raw_command("verbosity 0"), b"OK")
    same("raw gat", (c.set("raw", "v"), c.raw_command("gat 100 raw", "END\r\n")), (True, b"VALUE raw 0 1\r\nv\r\n"))
    raises("an unknown command", MemcacheUnknownCommandError, lambda: c.raw_command("unknown"))
    same("cache_memlimit", c.cache_memlimit(64), True)
    c.quit()
    same("get after quit", c.get("raw"), b"v")
    c.close()
    same("get after close", c.get("raw"), b"v")


@case
def reports():
    c = client()
    before = c.stats()
    c.set("reports", "v")
    c.get_many(["reports", "reports-none"])
    after = c.stats()
    gained = {name: after[name] - before[name] for name in [b"cmd_get", b"cmd_set", b"get_hits", b"get_misses"]}
    same("what is counted", gained, {b"cmd_get": 2, b"cmd_set": 1, b"get_hits": 1, b"get_misses": 1})
    true("rusage is a number", isinstance(after[b"rusage_user"], float))
    same("limit_maxbytes", after[b"limit_maxbytes"], 64 << 20)
    settings = c.stats("settings")
    same("settings", (settings[b"item_size_max"], settings[b"cas_enabled"]), (1 << 20, b"yes"))
    if not IS_UNIX:
        same("the port in settings", settings[b"tcpport"], PORT)
    slabs, items = c.stats("slabs"), c.stats("items")
    true("active_slabs", slabs[b"active_slabs"] > 0)
    true("items of a class", any(name.endswith(b":number") for name in items))
    conns = c.stats("conns")
    true("conns", any(name.endswith(b":state") for name in conns))
    true("sizes", isinstance(c.stats("sizes"), dict))
    same("stats reset", c.raw_command("stats reset"), b"RESET")
    same("gets after reset", c.stats()[b"cmd_get"], 0)


@case
def flushing():
    c = client()
    c.set("flushing", "v")
    same("flush_all", c.flush_all(), True)
    same("get after flush_all", c.get("flushing"), None)
    c.set("flushing", "w")
    same("get of a value set after it", c.get("flushing"), b"w")
    same("flush_all in a second", c.flush_all(delay=1), True)
    true("it happens", until(lambda: c.get("flushing") is None))
    true("and is over", until(lambda: c.set("flushing", "x") and c.get("flushing") == b"x"))


main(importlib.metadata.version("pymemcache"))
