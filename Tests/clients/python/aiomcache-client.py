# aiomcache, aio-libs' asyncio client in pure Python: text protocol over a small pool of connections.
# Usage: aiomcache-client.py text ADDRESS, TCP only.

import asyncio
import importlib.metadata

import aiomcache
from aiomcache.exceptions import ClientException, ValidationException

from tap import BINARY, HOST, LARGE, PORT, TOO_LARGE
from tap import case, main, raises_async, same, skip, true, until_async


@case
async def storing():
    c = aiomcache.Client(HOST, PORT)
    same("set", await c.set(b"storing", b"one"), True)
    same("get", await c.get(b"storing"), b"one")
    same("get of a missing key", await c.get(b"storing-none"), None)
    same("get with a default", await c.get(b"storing-none", b"d"), b"d")
    same("add of a present key", await c.add(b"storing", b"x"), False)
    same("add of a missing key", await c.add(b"storing-new", b"x"), True)
    same("replace of a present key", await c.replace(b"storing-new", b"y"), True)
    same("replace of a missing key", await c.replace(b"storing-none", b"y"), False)
    same("append", await c.append(b"storing", b" end"), True)
    same("prepend", await c.prepend(b"storing", b"begin "), True)
    same("after append and prepend", await c.get(b"storing"), b"begin one end")
    same("append to a missing key", await c.append(b"storing-none", b"x"), False)
    same("prepend to a missing key", await c.prepend(b"storing-none", b"x"), False)
    value, unique = await c.gets(b"storing")
    same("cas", await c.cas(b"storing", b"two", unique), True)
    same("cas with an old unique", await c.cas(b"storing", b"three", unique), False)
    same("cas of a missing key", await c.cas(b"storing-none", b"x", unique), False)
    same("gets of a missing key", await c.gets(b"storing-none"), (None, None))
    same("bytes of every kind", (await c.set(b"storing", BINARY), await c.get(b"storing")), (True, BINARY))
    same("delete", await c.delete(b"storing"), True)
    same("delete again", await c.delete(b"storing"), False)
    skip("noreply, get and touch", "aiomcache has none")
    await c.close()


@case
async def many():
    c = aiomcache.Client(HOST, PORT, pool_size=4)
    keys = [b"many-%d" % n for n in range(300)]
    same("sets at once", set(await asyncio.gather(*(c.set(key, key) for key in keys))), {True})
    same("multi_get", await c.multi_get(*keys, b"many-none"), (*keys, None))
    same("gets at once", await asyncio.gather(*(c.get(key) for key in keys)), keys)
    await c.set(b"many-n", b"0")
    await asyncio.gather(*(c.incr(b"many-n", 2) for _ in range(100)))
    same("a counter", await c.get(b"many-n"), b"200")
    await c.close()


@case
async def flags():
    async def unflag(value, flags):
        return int(value) + flags

    async def flag(value):
        return str(value).encode(), 1000

    c = aiomcache.FlagClient(HOST, PORT, get_flag_handler=unflag, set_flag_handler=flag)
    same("set with flags", await c.set(b"flags", 5), True)
    same("get with flags", await c.get(b"flags"), 1005)
    await c.close()


@case
async def counting():
    c = aiomcache.Client(HOST, PORT)
    await c.set(b"counting", b"10")
    same("incr", await c.incr(b"counting", 5), 15)
    same("decr", await c.decr(b"counting", 4), 11)
    same("decr below zero", await c.decr(b"counting", 100), 0)
    await raises_async("incr of a missing key", ClientException, c.incr(b"counting-none"), "NOT_FOUND")
    await c.set(b"counting", b"word")
    await raises_async("incr of a word", ClientException, c.incr(b"counting"), "non-numeric")
    same("after it", await c.get(b"counting"), b"word")
    await c.close()


@case
async def expiring():
    c = aiomcache.Client(HOST, PORT)
    names = [b"expiring", b"expiring-saved", b"expiring-cut"]
    for name in names[:2]:
        await c.set(name, b"v", exptime=2)
    await c.set(b"expiring-cut", b"v")
    same("touch to be longer", await c.touch(b"expiring-saved", 100), True)
    same("touch to be shorter", await c.touch(b"expiring-cut", 2), True)
    same("touch of a missing key", await c.touch(b"expiring-none", 100), False)
    same("all before", await c.multi_get(*names), (b"v",) * 3)

    async def one_is_left():
        return await c.multi_get(*names) == (None, b"v", None)

    true("one is left after", await until_async(one_is_left))
    await c.close()


@case
async def sizes():
    c = aiomcache.Client(HOST, PORT)
    same("512,000 bytes", (await c.set(b"sizes", LARGE), await c.get(b"sizes")), (True, LARGE))
    await raises_async("2 MB", ClientException, c.set(b"sizes", TOO_LARGE), "too large")
    same("no stale value after it", await c.get(b"sizes"), None)
    same("a key of 250", (await c.set(b"k" * 250, b"v"), await c.get(b"k" * 250)), (True, b"v"))
    await raises_async("a key of 251", ValidationException, c.set(b"k" * 251, b"v"))
    key = "ключ".encode()
    same("a key of UTF-8", (await c.set(key, b"v"), await c.get(key)), (True, b"v"))
    await c.close()


@case
async def reports():
    c = aiomcache.Client(HOST, PORT)
    stats = await c.stats()
    same("limit_maxbytes", stats[b"limit_maxbytes"], b"67108864")
    same("version", bytes(await c.version()), stats[b"version"])
    settings = await c.stats(b"settings")
    same("the port in settings", settings[b"tcpport"], str(PORT).encode())
    true("slabs", b"active_slabs" in await c.stats(b"slabs"))
    await c.set(b"reports", b"v")
    await c.flush_all()
    same("get after flush_all", await c.get(b"reports"), None)
    same("set after flush_all", (await c.set(b"reports", b"w"), await c.get(b"reports")), (True, b"w"))
    await c.close()


main(importlib.metadata.version("aiomcache"))
