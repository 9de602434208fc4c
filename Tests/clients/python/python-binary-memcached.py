# python-binary-memcached (bmemcached), which Datadog's agent reads statistics with: binary protocol, quiet batches,
# CAS with every reply, counters with initial values, stats general, items, slabs, settings.
# Usage: python-binary-memcached.py binary ADDRESS

import importlib.metadata

import bmemcached
from bmemcached.exceptions import MemcachedException

from tap import ADDRESS, BINARY, IS_UNIX, LARGE, PORT, TOO_LARGE
from tap import case, main, raises, same, skip, storing_begins, true, until


def client(**options):
    return bmemcached.Client([ADDRESS], **{"socket_timeout": 10, **options})


@case
def storing():
    c = client()
    storing_begins(c)
    same("replace of a missing key", c.replace("storing-none", "y"), False)
    same("after replace", c.get("storing-new"), "y")
    same("delete", c.delete("storing"), True)
    same("delete again, which is as good", c.delete("storing"), True)
    same("get after delete", c.get("storing"), None)
    skip("append, prepend, touch, gat", "bmemcached has none")


@case
def types():
    values = {
        "text": "žluťoučký ☃", "bytes": BINARY, "empty": b"", "integer": -17, "huge": 2**80, "list": [1, {"a": 2}],
        "truth": True, "float": 2.5, "nothing": [None], "compressible": "a" * 50000,
    }
    c = client()
    for name, value in values.items():
        same(f"{name}", (c.set("types", value), c.get("types")), (True, value))
    raw = client(raw_data=True)
    same("raw", (raw.set("types", BINARY), raw.get("types")), (True, BINARY))


@case
def many():
    c = client()
    values = {f"many-{n}": b"v" * n for n in range(500)}
    same("set_multi", c.set_multi(values), [])
    same("get_multi", c.get_multi(list(values) + ["many-none"]), values)
    same("get_multi of nothing", c.get_multi(["many-none", "many-nobody"]), {})
    same("get_multi whose last is missing", c.get_multi(["many-1", "many-none"]), {"many-1": b"v"})
    pairs = c.get_multi(["many-1", "many-2"], get_cas=True)
    same("get_multi with uniques", {k: v[0] for k, v in pairs.items()}, {"many-1": b"v", "many-2": b"vv"})
    one, two = pairs["many-1"][1], pairs["many-2"][1]
    true("the uniques differ", one != two and one > 0)
    swaps = {("many-1", one): b"1", ("many-2", two + 10**9): b"2", ("many-new", 0): b"3", ("many-3", 0): b"4"}
    same("set_multi with uniques", sorted(key for key, _ in c.set_multi(swaps)), ["many-2", "many-3"])
    same("after it", c.get_multi(["many-1", "many-2", "many-new", "many-3"]),
         {"many-1": b"1", "many-2": b"vv", "many-new": b"3", "many-3": b"vvv"})
    uniques = c.set_multi_cas({"many-1": b"5", ("many-2", 10**15): b"6", ("many-newer", 0): b"7"})
    same("set_multi_cas", {k: v is not None for k, v in uniques.items()},
         {"many-1": True, "many-2": False, "many-newer": True})
    same("its unique is the item's", c.gets("many-1"), (b"5", uniques["many-1"]))
    same("delete_multi", c.delete_multi([f"many-{n}" for n in range(100)]), True)
    same("delete_multi with a missing key", c.delete_multi(["many-100", "many-0"]), False)
    same("after delete_multi", len(c.get_multi(list(values))), 399)


@case
def swapping():
    c = client()
    done, unique = c.set("swapping", "one", get_cas=True)
    same("the unique of a set is the item's", c.gets("swapping"), ("one", unique))
    same("cas", c.cas("swapping", "two", unique), True)
    same("cas with an old unique", c.cas("swapping", "three", unique), False)
    same("after cas", c.get("swapping"), "two")
    same("cas of a missing key", c.cas("swapping-none", "x", unique), False)
    same("cas of nothing is an add", c.cas("swapping-new", "x", None), True)
    same("and fails when there is something", c.cas("swapping-new", "x", None), False)
    same("gets of a missing key", c.gets("swapping-none"), (None, None))
    unique = c.gets("swapping")[1]
    same("delete with a wrong unique", c.delete("swapping", cas=unique + 10**9), False)
    same("it is still there", c.get("swapping"), "two")
    same("delete with the unique", c.delete("swapping", cas=unique), True)
    same("it is away", c.get("swapping"), None)
    done, unique = c.add("swapping", "x", get_cas=True)
    done, newer = c.replace("swapping", "y", get_cas=True)
    true("replace has a newer unique than add", done and newer > unique)


@case
def counting():
    c = client()
    same("incr of a missing key gives the initial value", c.incr("counting", 5, default=10), 10)
    same("incr", c.incr("counting", 5, default=10), 15)
    same("decr", c.decr("counting", 3), 12)
    same("decr below zero", c.decr("counting", 100), 0)
    same("decr of a missing key gives the initial value", c.decr("counting-new", 1, default=7), 7)
    same("a great initial value", c.incr("counting-great", 1, default=2**64 - 1), 2**64 - 1)
    same("incr over the end", c.incr("counting-great", 2), 1)
    c.set("counting-word", "word")
    raises("incr of a word", MemcachedException, lambda: c.incr("counting-word", 1), "Code: 6")
    same("the connection is of use after it", c.get("counting-word"), "word")
    raises("incr without an initial value", MemcachedException,
           lambda: c.incr("counting-none", 1, time=0xFFFFFFFF), "Code: 1")
    same("a counter is text", (c.set("counting-set", 41), c.incr("counting-set", 1)), (True, 42))
    same("and keeps its flags", c.get("counting-set"), 42)


@case
def expiring():
    c = client()
    same("set for two seconds", c.set("expiring", "v", time=2), True)
    same("set_multi for two seconds", c.set_multi({"expiring-many": "v"}, time=2), [])
    same("a counter for two seconds", c.incr("expiring-counter", 1, default=5, time=2), 5)
    c.set("expiring-kept", "v", time=100)
    raw = client(raw_data=True)
    names = ["expiring", "expiring-many", "expiring-counter", "expiring-kept"]
    same("all before", sorted(raw.get_multi(names)), sorted(names))
    true("one is left after", until(lambda: list(raw.get_multi(names)) == ["expiring-kept"]))
    same("add after expiry", c.add("expiring", "x"), True)


@case
def sizes():
    c = client()
    same("set of 512,000 bytes", c.set("sizes", LARGE, compress_level=0), True)
    same("get of 512,000 bytes", c.get("sizes"), LARGE)
    raises("set of 2 MB", MemcachedException, lambda: c.set("sizes", TOO_LARGE, compress_level=0), "Code: 3")
    same("no stale value after it", client().get("sizes"), None)
    same("the connection is of use after it", (c.set("sizes", "v"), c.get("sizes")), (True, "v"))
    key = "k" * 250
    same("a key of 250", (c.set(key, "v"), c.get(key)), (True, "v"))
    for name, call in {"get": lambda: client().get("k" * 251), "set": lambda: client().set("k" * 251, "v")}.items():
        raises(f"{name} with a key of 251", MemcachedException, call, "Code: 4")


@case
def odd_keys():
    c = client()
    names = ["schlüssel", "a key", "line\r\nend", "\0", "\x80\xff", "get", " "]
    for name in names:
        same(f"set of {name!r}", c.set(name, name), True)
    same("get of all", c.get_multi(names), {name: name for name in names})


@case
def reports():
    c = client()
    before = c.stats()[ADDRESS]
    c.set("reports", "v")
    c.get_multi(["reports", "reports-none"])
    after = c.stats()[ADDRESS]
    gained = {name: int(after[name]) - int(before[name]) for name in ["cmd_get", "cmd_set", "get_hits", "get_misses"]}
    same("what is counted", gained, {"cmd_get": 2, "cmd_set": 1, "get_hits": 1, "get_misses": 1})
    for name in ["pid", "uptime", "curr_items", "evictions", "threads", "version", "curr_connections", "bytes_read"]:
        true(f"stats have {name}", name in after)
    same("limit_maxbytes", after["limit_maxbytes"], b"67108864")
    items = c.stats("items")[ADDRESS]
    number = [name for name in items if name.startswith("items:") and name.endswith(":number")]
    true("items of a class", number and int(items[number[0]]) > 0)
    for name in ["age", "evicted", "outofmemory", "reclaimed"]:
        true(f"items have {name}", number[0].replace("number", name) in items)
    slabs = c.stats("slabs")[ADDRESS]
    same("active_slabs", int(slabs["active_slabs"]), len([name for name in slabs if name.endswith(":chunk_size")]))
    true("total_malloced", int(slabs["total_malloced"]) >= 1 << 20)
    for name in ["chunks_per_page", "total_pages", "used_chunks", "free_chunks", "get_hits", "cmd_set"]:
        true(f"slabs have {name}", any(key.endswith(f":{name}") for key in slabs))
    settings = c.stats("settings")[ADDRESS]
    same("settings", settings["item_size_max"], b"1048576")
    if not IS_UNIX:
        same("the port in settings", settings["tcpport"], str(PORT).encode())
    same("the connection is of use after it", c.get("reports"), "v")


@case
def flushing():
    c = client()
    c.set("flushing", "v")
    same("flush_all", c.flush_all(), True)
    same("get after flush_all", c.get("flushing"), None)
    same("set after flush_all", (c.set("flushing", "w"), c.get("flushing")), (True, "w"))
    same("flush_all in a second", c.flush_all(time=1), True)
    true("it happens", until(lambda: c.get("flushing") is None))
    true("and is over", until(lambda: c.set("flushing", "x") and c.get("flushing") == "x"))
    c.disconnect_all()
    same("get after disconnect_all", c.get("flushing"), "x")
    hashed = bmemcached.DistributedClient([ADDRESS], socket_timeout=10)
    same("DistributedClient", (hashed.set("flushing", "y"), hashed.get("flushing")), (True, "y"))


main(importlib.metadata.version("python-binary-memcached"))
