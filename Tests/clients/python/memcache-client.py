# memcache, aisk's client: the meta protocol, by threads and by asyncio, with blanks at the ends of its command lines.
# Usage: memcache-client.py meta ADDRESS
# Its module has the name of python-memcached's; that is why the runner gives it a folder of its own.

import asyncio
import importlib.metadata

import memcache
from memcache.meta_command import MetaCommand

from tap import BINARY, HOST, LARGE, PORT, TOO_LARGE
from tap import case, main, raises, same, skip, true, until, until_async


def client():
    return memcache.Memcache((HOST, PORT))


@case
def storing():
    c = client()
    c.set("storing", "one")
    same("get", c.get("storing"), "one")
    same("get of a missing key", c.get("storing-none"), None)
    for name, value in {"text": "žluť ☃", "bytes": BINARY, "integer": -17, "list": [1, {"a": None}]}.items():
        c.set("types", value)
        same(f"{name}", c.get("types"), value)
    c.delete("storing")
    same("get after delete", c.get("storing"), None)
    c.set("storing", "two")
    value, unique = c.gets("storing")
    same("gets", value, "two")
    c.cas("storing", "three", unique)
    same("after cas", c.get("storing"), "three")
    raises("cas with an old unique", memcache.MemcacheError, lambda: c.cas("storing", "x", unique))
    raises("cas of a missing key", memcache.MemcacheError, lambda: c.cas("storing-none", "x", unique))
    same("gets of a missing key", c.gets("storing-none"), None)
    c.set("counting", 10)
    same("incr", (c.incr("counting"), c.incr("counting", 5)), (11, 16))
    same("decr", (c.decr("counting"), c.decr("counting", 100)), (15, 0))
    raises("incr of a missing key", memcache.MemcacheError, lambda: c.incr("counting-none"), "NF")
    c.set("large", LARGE)
    same("512,000 bytes", c.get("large"), LARGE)
    skip("multi get, append, touch, stats", "this client has none")


@case
def commands():
    c = client()
    run = lambda word, key, *flags, value=None: c.execute_meta_command(
        MetaCommand(word, key, None if value is None else len(value), list(flags), value))
    same("ms", run(b"ms", b"m", b"T100", b"F7", value=b"value").rc, b"HD")
    got = run(b"mg", b"m", b"f", b"s", b"t", b"v", b"k", b"O9")
    same("mg", (got.rc, got.datalen, got.value), (b"VA", 5, b"value"))
    same("its flags in the order asked", [flag[:1] for flag in got.flags], [b"f", b"s", b"t", b"k", b"O"])
    same("their values", [flag for flag in got.flags if flag[:1] != b"t"], [b"f7", b"s5", b"km", b"O9"])
    same("mg of a missing key", run(b"mg", b"none", b"v").rc, b"EN")
    same("mg without flags", run(b"mg", b"m").rc, b"HD")
    same("ms with a mode", run(b"ms", b"m", b"ME", value=b"x").rc, b"NS")
    same("ms that appends", (run(b"ms", b"m", b"MA", value=b"!").rc, c.execute_meta_command(
        MetaCommand(b"mg", b"m", flags=[b"v"])).value), (b"HD", b"value!"))
    same("a base64 key", run(b"ms", b"YSBrZXk=", b"b", value=b"v").rc, b"HD")
    got = run(b"mg", b"YSBrZXk=", b"b", b"k", b"v")
    same("and read", (got.value, got.flags), (b"v", [b"kYSBrZXk=", b"b"]))
    same("md", run(b"md", b"m").rc, b"HD")
    skip("replies with flags and no value", "this client takes the first flag for a number")
    same("md of a missing key", run(b"md", b"m").rc, b"NF")
    same("ma that initialises", run(b"ma", b"n", b"N100", b"J13", b"v").value, b"13")
    same("ma", run(b"ma", b"n", b"D4", b"MI", b"v", b"t").value, b"17")
    same("ma downwards", run(b"ma", b"n", b"D20", b"M-", b"v").value, b"0")
    raises("2 MB", Exception, lambda: run(b"ms", b"m", value=TOO_LARGE) and client().get("m").x)
    raises("a key of 251", memcache.MemcacheError, lambda: client().get("k" * 251), "bad")
    raises("a number that is none", memcache.MemcacheError, lambda: client().execute_meta_command(
        MetaCommand(b"ma", b"n", flags=[b"Dword"])))


@case
def expiring():
    c = client()
    c.set("expiring", "v", expire=2)
    c.set("expiring-kept", "v", expire=100)
    same("before", (c.get("expiring"), c.get("expiring-kept")), ("v", "v"))
    true("after", until(lambda: c.get("expiring") is None))
    same("the other", c.get("expiring-kept"), "v")


@case
async def asynchronous():
    c = memcache.AsyncMemcache((HOST, PORT))
    await c.set("async", {"a": 1})
    same("async get", await c.get("async"), {"a": 1})
    await asyncio.gather(*(c.set(f"async-{n}", n) for n in range(20)))
    same("at once", await asyncio.gather(*(c.get(f"async-{n}") for n in range(20))), list(range(20)))
    await c.set("async-n", 5)
    same("async incr and decr", (await c.incr("async-n", 3), await c.decr("async-n", 1)), (8, 7))
    value, unique = await c.gets("async-n")
    await c.cas("async-n", 100, unique)
    same("async cas", await c.get("async-n"), 100)
    await c.set("async-short", "v", expire=1)

    async def is_gone():
        return await c.get("async-short") is None

    true("async expiry", await until_async(is_gone))
    await c.delete("async-n")
    same("async delete", await c.get("async-n"), None)


@case
def flushing():
    c = client()
    c.set("flushing", "v")
    c.flush_all()
    same("get after flush_all", c.get("flushing"), None)
    c.set("flushing", "w")
    same("set after flush_all", c.get("flushing"), "w")


main(importlib.metadata.version("memcache"))
