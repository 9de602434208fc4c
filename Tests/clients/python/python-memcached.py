# python-memcached, the oldest client in Python: text protocol, types by flags, prefixes, CAS by a cache of uniques,
# noreply, delete_multi. Usage: python-memcached.py text ADDRESS
# It tells failures by false values only; where its answer is not exact the value on the server is looked at.

import importlib.metadata

import memcache

from tap import ADDRESS, BINARY, IS_UNIX, LARGE, PORT, TOO_LARGE
from tap import case, joining, main, odd_text_keys, raises, same, skip, storing_begins, true, until


def client(**options):
    name = f"unix:{ADDRESS}" if IS_UNIX else ADDRESS
    return memcache.Client([name], **{"socket_timeout": 10, "server_max_value_length": 0, **options})


@case
def storing():
    c = client()
    storing_begins(c)
    same("replace of a missing key", c.replace("storing-none", "y"), False)
    joining(c)
    same("delete", c.delete("storing"), 1)
    same("delete again", c.delete("storing"), 0)
    same("get after delete", c.get("storing"), None)


@case
def types():
    c = client()
    values = {
        "text": "žluťoučký ☃", "bytes": BINARY, "empty": b"", "integer": -17, "huge": 2**80, "list": [1, {"a": 2}],
    }
    for name, value in values.items():
        same(f"{name}", (c.set("types", value), c.get("types")), (True, value))
    same("a truth", (c.set("types", True), c.get("types")), (True, True))
    same("compressed", (c.set("types", "a" * 99999, min_compress_len=50), c.get("types")), (True, "a" * 99999))


@case
def many():
    c = client()
    values = {f"many-{n}": "v" * n for n in range(500)}
    same("set_multi", c.set_multi(values), [])
    same("get_multi", c.get_multi(list(values) + ["many-none"]), values)
    same("set_multi with a prefix", c.set_multi({1: "a", "b": 2}, key_prefix="pre-"), [])
    same("get_multi with a prefix", c.get_multi([1, "b", "c"], key_prefix="pre-"), {1: "a", "b": 2})
    same("keys by server", (c.set((7, "many-by"), "x"), c.get((3, "many-by"))), (True, "x"))
    same("delete_multi", c.delete_multi([f"many-{n}" for n in range(100)] + ["many-none"]), 1)
    same("after delete_multi", len(c.get_multi(values)), 400)


@case
def swapping():
    c = client(cache_cas=True)
    other = client()
    c.set("swapping", "one")
    same("gets", c.gets("swapping"), "one")
    same("cas", c.cas("swapping", "two"), True)
    same("cas with an old unique", c.cas("swapping", "three"), False)
    same("after cas", c.get("swapping"), "two")
    c.gets("swapping")
    other.set("swapping", "other")
    same("cas after somebody else's set", c.cas("swapping", "mine"), False)
    same("the other's value", c.get("swapping"), "other")
    c.reset_cas()
    same("cas of what was not read is a set", c.cas("swapping", "set"), True)


@case
def counting():
    c = client()
    c.set("counting", 10)
    same("incr", c.incr("counting"), 11)
    same("incr by 1000", c.incr("counting", 1000), 1011)
    same("decr", c.decr("counting", 11), 1000)
    same("decr below zero", c.decr("counting", 2000), 0)
    same("incr of a missing key", c.incr("counting-none"), None)
    same("decr of a missing key", c.decr("counting-none"), None)
    c.set("counting", str(2**64 - 1))
    same("incr over the end", c.incr("counting"), 0)


@case
def expiring():
    c = client()
    same("set for two seconds", c.set("expiring", "v", time=2), True)
    c.set_multi({"expiring-saved": "v", "expiring-gone": "v"}, time=2)
    c.set("expiring-cut", "v")
    same("touch to be longer", c.touch("expiring-saved", 100), 1)
    same("touch to be shorter", c.touch("expiring-cut", 2), 1)
    names = ["expiring", "expiring-saved", "expiring-gone", "expiring-cut"]
    same("all before", sorted(c.get_multi(names)), sorted(names))
    true("one is left after", until(lambda: list(c.get_multi(names)) == ["expiring-saved"]))
    same("add after expiry", c.add("expiring", "x"), True)


@case
def sizes():
    c = client()
    same("set of 512,000 bytes", c.set("sizes", LARGE), True)
    same("get of 512,000 bytes", c.get("sizes"), LARGE)
    same("set of 2 MB", c.set("sizes", TOO_LARGE), False)
    same("the same connection after it", c.get("sizes"), None)
    same("its own limit", client(server_max_value_length=1 << 20).set("sizes", TOO_LARGE), 0)
    key = "k" * 250
    same("a key of 250", (c.set(key, "v"), c.get(key)), (True, "v"))
    raises("a key of 251", memcache.Client.MemcachedKeyLengthError, lambda: c.set("k" * 251, "v"))


@case
def odd_keys():
    c = client()
    odd_text_keys(c)
    raises("a key with a blank", memcache.Client.MemcachedKeyCharacterError, lambda: c.set("a key", "v"))
    skip("get and touch", "python-memcached has none")


@case
def quiet():
    c = client()
    for n in range(300):
        c.set(f"quiet-{n}", n, noreply=True)
    c.add("quiet-0", 99, noreply=True)
    c.replace("quiet-1", 99, noreply=True)
    c.append("quiet-2", "2", noreply=True)
    c.prepend("quiet-3", "3", noreply=True)
    c.incr("quiet-4", 10, noreply=True)
    c.decr("quiet-5", 10, noreply=True)
    c.delete("quiet-6", noreply=True)
    c.touch("quiet-7", 100, noreply=True)
    c.delete_multi(["quiet-8"], noreply=True)
    c.set_multi({"quiet-many": 1}, noreply=True)
    got = c.get_multi([f"quiet-{n}" for n in range(10)] + ["quiet-many", "quiet-299"])
    expected = {0: 0, 1: 99, 2: 22, 3: 33, 4: 14, 5: 0, 7: 7, 9: 9, "many": 1, 299: 299}
    same("what they did", got, {f"quiet-{n}": value for n, value in expected.items()})


@case
def reports():
    c = client()
    [(name, before)] = c.get_stats()
    true("the server's name", ADDRESS in name)
    c.get("reports-none")
    [(_, after)] = c.get_stats()
    same("a miss is counted", int(after["get_misses"]) - int(before["get_misses"]), 1)
    [(_, settings)] = c.get_stats("settings")
    same("item_size_max", settings["item_size_max"], "1048576")
    if not IS_UNIX:
        same("tcpport", settings["tcpport"], str(PORT))
    [(_, slabs)] = c.get_slab_stats()
    classes = {name: row for name, row in slabs.items() if name.isdigit()}
    true("slab classes", len(classes) > 3)
    true("chunk sizes grow", [int(classes[n]["chunk_size"]) for n in sorted(classes, key=int)]
         == sorted(int(row["chunk_size"]) for row in classes.values()))
    true("pages are malloced", int(slabs["total_malloced"]) >= 1 << 20)
    [(_, items)] = c.get_stats("items")
    true("numbers of items", any(name.endswith(":number") for name in items))


@case
def flushing():
    c = client()
    c.set("flushing", "v")
    c.flush_all()
    same("get after flush_all", c.get("flushing"), None)
    same("set after flush_all", (c.set("flushing", "w"), c.get("flushing")), (True, "w"))
    c.quit_all()
    same("get after quit_all", c.get("flushing"), "w")
    c.disconnect_all()
    same("get after disconnect_all", c.get("flushing"), "w")


main(importlib.metadata.version("python-memcached"))
