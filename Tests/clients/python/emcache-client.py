# emcache, an asyncio client with a parser in Cython: text protocol, flags, get and touch, noreply, many commands at
# once, automatic batches of gets. Usage: emcache-client.py text ADDRESS

import asyncio
import importlib.metadata

import emcache
from emcache import NotFoundCommandError, NotStoredStorageCommandError, StorageCommandError

from tap import ADDRESS, BINARY, HOST, IS_UNIX, LARGE, PORT, TOO_LARGE
from tap import case, main, raises_async, same, true, until_async

NODE = emcache.MemcachedUnixSocketPath(ADDRESS) if IS_UNIX else emcache.MemcachedHostAddress(HOST, PORT)


async def client(**options):
    return await emcache.create_client([NODE], **{"timeout": 10.0, **options})


def values(items):
    return {key: item.value for key, item in items.items()}


@case
async def storing():
    c = await client()
    await c.set(b"storing", b"one", flags=65535)
    same("get", await c.get(b"storing"), emcache.Item(b"one", None, None))
    same("get with flags", await c.get(b"storing", return_flags=True), emcache.Item(b"one", 65535, None))
    same("get of a missing key", await c.get(b"storing-none"), None)
    await raises_async("add of a present key", NotStoredStorageCommandError, c.add(b"storing", b"x"))
    await c.add(b"storing-new", b"x")
    await c.replace(b"storing-new", b"y", flags=3)
    same("after add and replace", await c.get(b"storing-new", return_flags=True), emcache.Item(b"y", 3, None))
    await raises_async("replace of a missing key", NotStoredStorageCommandError, c.replace(b"storing-none", b"x"))
    await c.append(b"storing", b" end")
    await c.prepend(b"storing", b"begin ")
    same("after append and prepend, flags kept", await c.get(b"storing", return_flags=True),
         emcache.Item(b"begin one end", 65535, None))
    await raises_async("append to a missing key", NotStoredStorageCommandError, c.append(b"storing-none", b"x"))
    await raises_async("prepend to a missing key", NotStoredStorageCommandError, c.prepend(b"storing-none", b"x"))
    await c.delete(b"storing")
    await raises_async("delete again", NotFoundCommandError, c.delete(b"storing"))
    for name, value in {"bytes of every kind": BINARY, "an empty value": b""}.items():
        await c.set(b"storing", value)
        same(name, (await c.get(b"storing")).value, value)
    await c.close()


@case
async def many():
    c = await client(max_connections=4)
    expected = {f"many-{n}".encode(): b"v" * n for n in range(300)}
    await asyncio.gather(*(c.set(key, value, flags=len(value)) for key, value in expected.items()))
    same("get_many", values(await c.get_many([*expected, b"many-none"])), expected)
    flags = {key: item.flags for key, item in (await c.get_many(list(expected), return_flags=True)).items()}
    same("their flags", flags, {key: len(value) for key, value in expected.items()})
    swapped = await c.gets_many([b"many-1", b"many-2", b"many-none"])
    same("gets_many", values(swapped), {b"many-1": b"v", b"many-2": b"vv"})
    true("two uniques", swapped[b"many-1"].cas != swapped[b"many-2"].cas)
    same("gats_many", values(await c.gats_many(100, [b"many-1", b"many-none"])), {b"many-1": b"v"})
    await c.close()
    batching = await client(autobatching=True)
    got = await asyncio.gather(*(batching.get(key) for key in expected))
    same("batches of gets", [item.value for item in got], list(expected.values()))
    await batching.close()


@case
async def swapping():
    c = await client()
    await c.set(b"swapping", b"one")
    item = await c.gets(b"swapping", return_flags=True)
    same("gets", (item.value, item.flags), (b"one", 0))
    await c.cas(b"swapping", b"two", item.cas, flags=5)
    await raises_async("cas with an old unique", StorageCommandError, c.cas(b"swapping", b"x", item.cas))
    same("after cas", await c.get(b"swapping", return_flags=True), emcache.Item(b"two", 5, None))
    await raises_async("cas of a missing key", StorageCommandError, c.cas(b"swapping-none", b"x", 1), "NOT_FOUND")
    same("gets of a missing key", await c.gets(b"swapping-none"), None)
    await c.close()


@case
async def counting():
    c = await client()
    await c.set(b"counting", b"10")
    same("increment", await c.increment(b"counting", 5), 15)
    same("decrement", await c.decrement(b"counting", 4), 11)
    same("decrement below zero", await c.decrement(b"counting", 100), 0)
    await raises_async("increment of a missing key", NotFoundCommandError, c.increment(b"counting-none", 1))
    await raises_async("decrement of a missing key", NotFoundCommandError, c.decrement(b"counting-none", 1))
    await c.set(b"counting", b"%d" % (2**64 - 1))
    same("increment over the end", await c.increment(b"counting", 2), 1)
    await asyncio.gather(*(c.increment(b"counting", 1) for _ in range(200)))
    same("at once", (await c.get(b"counting")).value.rstrip(), b"201")
    await c.close()


@case
async def expiring():
    c = await client()
    names = [b"expiring", b"expiring-saved", b"expiring-gat", b"expiring-gats", b"expiring-many", b"expiring-cut"]
    for name in names[:5]:
        await c.set(name, b"v", exptime=2)
    await c.set(b"expiring-cut", b"v")
    await c.touch(b"expiring-saved", 100)
    await c.touch(b"expiring-cut", 2)
    await raises_async("touch of a missing key", NotFoundCommandError, c.touch(b"expiring-none", 100))
    same("gat", await c.gat(100, b"expiring-gat", return_flags=True), emcache.Item(b"v", 0, None))
    same("gat of a missing key", await c.gat(100, b"expiring-none"), None)
    item = await c.gats(100, b"expiring-gats")
    same("gats has the unique of gets", item, await c.gets(b"expiring-gats"))
    same("gat_many", values(await c.gat_many(100, [b"expiring-many", b"expiring-none"])), {b"expiring-many": b"v"})
    same("all before", sorted(await c.get_many(names)), sorted(names))

    async def some_are_gone():
        return len(await c.get_many(names)) < 5

    true("some expire", await until_async(some_are_gone))
    same("which are left", sorted(await c.get_many(names)), sorted(names[1:5]))
    await c.add(b"expiring", b"again")
    same("add after expiry", (await c.get(b"expiring")).value, b"again")
    await c.close()


@case
async def sizes():
    c = await client()
    await c.set(b"sizes", LARGE)
    same("512,000 bytes", (await c.get(b"sizes")).value, LARGE)
    await raises_async("2 MB", StorageCommandError, c.set(b"sizes", TOO_LARGE), "too large")
    same("no stale value after it", await c.get(b"sizes"), None)
    key = b"k" * 250
    await c.set(key, b"v")
    same("a key of 250", (await c.get(key)).value, b"v")
    await raises_async("a key of 251", ValueError, c.set(b"k" * 251, b"v"))
    for name in ["schlüssel".encode(), b"k,;:=/?[]{}|", b"get", b"noreply"]:
        await c.set(name, name)
        same(f"the key {name}", (await c.get(name)).value, name)
    await raises_async("a key with a blank", ValueError, c.set(b"a key", b"v"))
    await c.close()


@case
async def quiet():
    c = await client(max_connections=1)
    for n in range(200):
        await c.set(b"quiet-%d" % n, b"%d" % n, noreply=True)
    await c.add(b"quiet-0", b"no", noreply=True)
    await c.replace(b"quiet-1", b"one", noreply=True)
    await c.append(b"quiet-2", b"!", noreply=True)
    await c.prepend(b"quiet-3", b"?", noreply=True)
    await c.increment(b"quiet-4", 10, noreply=True)
    await c.decrement(b"quiet-5", 10, noreply=True)
    await c.delete(b"quiet-6", noreply=True)
    await c.touch(b"quiet-7", 100, noreply=True)
    await c.cas(b"quiet-8", b"no", 1, noreply=True)
    expected = [b"0", b"one", b"2!", b"?3", b"14", b"0", None, b"7", b"8", b"9"]

    async def all_is_done():
        got = await c.get_many([b"quiet-%d" % n for n in range(10)] + [b"quiet-199"])
        return [got[key].value if (key := b"quiet-%d" % n) in got else None for n in range(10)] == expected

    true("what they did", await until_async(all_is_done))
    await c.flush_all(NODE, noreply=True)

    async def is_flushed():
        return await c.get(b"quiet-199") is None

    true("flush_all without a reply", await until_async(is_flushed))
    await c.close()


@case
async def reports():
    c = await client()
    before = await c.stats(NODE)
    await c.get_many([b"reports-none", b"reports-nobody"])
    after = await c.stats(NODE)
    same("misses are counted", int(after["get_misses"]) - int(before["get_misses"]), 2)
    same("limit_maxbytes", after["limit_maxbytes"], "67108864")
    same("item_size_max", (await c.stats(NODE, "settings"))["item_size_max"], "1048576")
    await c.set(b"reports", b"v")
    true("items", any(name.endswith(":number") for name in await c.stats(NODE, "items")))
    true("slabs", "active_slabs" in await c.stats(NODE, "slabs"))
    same("version is the one of stats", await c.version(NODE), after["version"])
    await c.verbosity(NODE, 0)
    await c.cache_memlimit(NODE, 64)
    await c.flush_all(NODE)
    same("get after flush_all", await c.get(b"reports"), None)
    await c.set(b"reports", b"w")
    same("set after flush_all", (await c.get(b"reports")).value, b"w")
    await c.close()
    same("closed", c.closed, True)


main(importlib.metadata.version("emcache"))
