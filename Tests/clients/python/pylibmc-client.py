# pylibmc, the Python binding of the C library libmemcached: text and binary protocol, types, multi commands, noreply,
# buffering, behaviours, pools of threads. Usage: pylibmc-client.py text|binary ADDRESS
# The library is Debian's python3-pylibmc. Checks are as precise as pylibmc's own errors are.

import threading

import pylibmc

from tap import ADDRESS, BINARY, IS_UNIX, LARGE, PROTOCOL, TOO_LARGE
from tap import case, joining, main, odd_text_keys, raises, same, skip, storing_begins, true, until

IS_BINARY = PROTOCOL == "binary"


def client(**behaviors):
    return pylibmc.Client([ADDRESS], binary=IS_BINARY, behaviors={"tcp_nodelay": not IS_UNIX, **behaviors})


@case
def storing():
    c = client()
    storing_begins(c)
    if IS_BINARY:
        raises("replace of a missing key", pylibmc.NotFound, lambda: c.replace("storing-none", "x"))
    else:
        same("replace of a missing key", c.replace("storing-none", "x"), False)
    same("the replaced value", c.get("storing-new"), "y")
    joining(c)
    same("delete", c.delete("storing"), True)
    same("delete again", c.delete("storing"), False)
    same("get after delete", c.get("storing"), None)
    same("in", "storing-new" in c, True)
    same("not in", "storing-none" in c, False)
    c["storing-item"] = "by subscript"
    same("subscript", c["storing-item"], "by subscript")
    del c["storing-item"]
    raises("subscript of a missing key", KeyError, lambda: c["storing-item"])


@case
def types():
    c = client()
    values = {
        "text": "žluťoučký kůň ☃", "bytes": BINARY, "empty": b"", "integer": 17, "negative": -(2**40), "float": 2.5,
        "none-in-list": [None, 1, "a"], "dict": {"a": [1, 2], "b": {"c": None}},
        "huge": 2**80,
    }
    for name, value in values.items():
        same(f"set of {name}", c.set(f"types-{name}", value), True)
        same(f"get of {name}", c.get(f"types-{name}"), value)
    c.set("types-true", True)
    same("a truth comes back as a number", c.get("types-true"), 1)
    same("all at once", c.get_multi([f"types-{name}" for name in values]), {f"types-{n}": v for n, v in values.items()})


@case
def many():
    c = client()
    values = {f"many-{n}": b"v" * n for n in range(300)}
    same("set_multi", c.set_multi(values), [])
    same("get_multi", c.get_multi(list(values) + ["many-none"]), values)
    same("get_multi of nothing", c.get_multi(["many-none", "many-nobody"]), {})
    same("get_multi with a prefix", c.get_multi(["7", "11"], key_prefix="many-"), {"7": b"v" * 7, "11": b"v" * 11})
    same("add_multi", sorted(c.add_multi({"many-3": "x", "many-new": "x"})), ["many-3"])
    same("set_multi with a prefix", c.set_multi({"a": 1, "b": 2}, key_prefix="pre-"), [])
    same("what had the prefix", c.get_multi(["pre-a", "pre-b"]), {"pre-a": 1, "pre-b": 2})
    same("delete_multi", c.delete_multi([f"many-{n}" for n in range(100)]), True)
    same("delete_multi with a missing key", c.delete_multi(["many-100", "many-0"]), False)
    same("after delete_multi", len(c.get_multi(list(values))), 199)


@case
def swapping():
    c = client(cas=True)
    c.set("swapping", "one")
    value, unique = c.gets("swapping")
    same("gets", value, "one")
    true("a CAS unique", unique > 0)
    same("cas", c.cas("swapping", "two", unique), True)
    same("cas with an old unique", c.cas("swapping", "three", unique), False)
    same("after cas", c.get("swapping"), "two")
    same("gets of a missing key", c.gets("swapping-none"), (None, None))
    raises("cas of a missing key", pylibmc.NotFound, lambda: c.cas("swapping-none", "x", unique))
    newer = c.gets("swapping")[1]
    true("another unique after a change", newer != unique)
    c.set("swapping", "four")
    same("cas after a set", c.cas("swapping", "five", newer), False)


@case
def counting():
    c = client()
    c.set("counting", 10)
    same("incr", c.incr("counting"), 11)
    same("incr by 5", c.incr("counting", 5), 16)
    same("decr by 6", c.decr("counting", 6), 10)
    same("decr below zero", c.decr("counting", 100), 0)
    c.set("counting-text", "18446744073709551615")
    same("incr over the end", c.incr("counting-text", 2), 1)
    raises("incr of a missing key", pylibmc.NotFound, lambda: c.incr("counting-none"))
    raises("decr of a missing key", pylibmc.NotFound, lambda: c.decr("counting-none"))
    c.set("counting-word", "word")
    raises("incr of a word", pylibmc.Error, lambda: c.incr("counting-word"))
    same("the word after it", c.get("counting-word"), "word")
    c.set_multi({"n-a": 1, "n-b": 2})
    c.incr_multi(["a", "b"], key_prefix="n-", delta=40)
    same("incr_multi", c.get_multi(["n-a", "n-b"]), {"n-a": 41, "n-b": 42})
    same("a counter is a number of digits", client().get("counting"), 0)


@case
def expiring():
    c = client()
    same("set for two seconds", c.set("expiring", "v", time=2), True)
    same("add for two seconds", c.add("expiring-added", "v", time=2), True)
    same("set_multi for two seconds", c.set_multi({"expiring-m": "v"}, time=2), [])
    c.set("expiring-saved", "v", time=2)
    c.set("expiring-cut", "v")
    same("touch to be longer", c.touch("expiring-saved", 100), True)
    same("touch to be shorter", c.touch("expiring-cut", 2), True)
    same("touch of a missing key", c.touch("expiring-none", 100), False)
    names = ["expiring", "expiring-added", "expiring-m", "expiring-saved", "expiring-cut"]
    same("all before", sorted(c.get_multi(names)), sorted(names))
    true("one is left after", until(lambda: list(c.get_multi(names)) == ["expiring-saved"]))
    same("add after expiry", c.add("expiring", "again"), True)


@case
def sizes():
    c = client()
    same("set of 512,000 bytes", c.set("sizes", LARGE), True)
    same("get of 512,000 bytes", c.get("sizes"), LARGE)
    raises("set of 2 MB", pylibmc.TooBig, lambda: c.set("sizes", TOO_LARGE))
    true("no stale value after it", client().get("sizes") is None)
    same("the connection is of use after it", (c.set("sizes", "small"), c.get("sizes")), (True, "small"))
    key = "k" * 250
    same("set with a key of 250", c.set(key, "long"), True)
    same("get with a key of 250", c.get(key), "long")
    raises("set with a key of 251", (ValueError, pylibmc.Error), lambda: client().set("k" * 251, "long"))
    pressed = b"a" * 100_000
    same("compressed set", c.set("sizes-pressed", pressed, min_compress_len=100), True)
    same("compressed get", c.get("sizes-pressed"), pressed)


@case
def odd_keys():
    c = client()
    odd_text_keys(c)
    if IS_BINARY:
        same("a key with a blank", (c.set("a key", 1), c.get("a key")), (True, 1))
    else:
        raises("a key with a blank", pylibmc.BadKeyProvided, lambda: client(verify_keys=True).get("a key"))


@case
def quiet():
    c = client(_noreply=True, no_block=True)
    for n in range(200):
        c.set(f"quiet-{n}", n)
    c.delete("quiet-0")
    plain = client()
    true("sets without replies", until(lambda: plain.get("quiet-199") == 199 and plain.get("quiet-0") is None))
    same("their number", len(plain.get_multi([f"quiet-{n}" for n in range(200)])), 199)
    c.disconnect_all()
    if IS_BINARY:
        skip("buffered sets", "pylibmc takes libmemcached's BUFFERED for an error")
        return
    buffered = client(buffer_requests=True, _noreply=True)
    for n in range(200):
        buffered.set(f"buffered-{n}", "v" * n)
    same("a read sends the buffer", buffered.get("buffered-199"), "v" * 199)
    same("buffered sets", len(plain.get_multi([f"buffered-{n}" for n in range(200)])), 200)


@case
def threads():
    pool = pylibmc.ThreadMappedPool(client())
    wrong = []

    def work(number):
        with pool.reserve() as c:
            for n in range(100):
                c.set(f"threads-{number}", n)
                if c.get(f"threads-{number}") != n:
                    wrong.append((number, n))
                c.incr("threads")
        pool.relinquish()

    client().set("threads", 0)
    workers = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    same("own keys", wrong, [])
    same("a common counter", client().get("threads"), 600)


def stats(c):
    """The server's name and the general statistics, of which libmemcached knows some; it knows no others."""
    [(name, values)] = c.get_stats()
    return name.decode(), {key: value.decode() for key, value in values.items()}


@case
def reports():
    c = client()
    name, before = stats(c)
    true("the server's name", ADDRESS in name)
    for key in ["pid", "uptime", "curr_items", "cmd_get", "get_hits", "limit_maxbytes", "threads", "version"]:
        true(f"stats have {key}", key in before)
    same("limit_maxbytes", before["limit_maxbytes"], "67108864")
    c.get("reports-none")
    after = stats(c)[1]
    same("a get is counted", int(after["cmd_get"]) - int(before["cmd_get"]), 1)
    same("a miss is counted", int(after["get_misses"]) - int(before["get_misses"]), 1)


@case
def flushing():
    c = client()
    c.set("flushing", "v")
    same("flush_all", c.flush_all(), True)
    same("get after flush_all", c.get("flushing"), None)
    same("set after flush_all", (c.set("flushing", "w"), c.get("flushing")), (True, "w"))
    other = c.clone()
    same("a clone", other.get("flushing"), "w")
    c.disconnect_all()
    same("after disconnect_all", c.get("flushing"), "w")


main(f"{pylibmc.__version__}, libmemcached {pylibmc.libmemcached_version}")
