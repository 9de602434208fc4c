# meta-memcache, RevenueCat's client: the meta protocol with its recache, stale and lease policies, opaque numbers,
# quiet writes, base64 keys, counters that initialise, and the items' metadata.
# Usage: meta-memcache.py meta ADDRESS

import importlib.metadata
import socket

from meta_memcache import CacheClient, Key, ServerAddress
from meta_memcache.configuration import LeasePolicy, RecachePolicy, StalePolicy, connection_pool_factory_builder
from meta_memcache.connection.pool import ConnectionPool
from meta_memcache.errors import MemcacheError
from meta_memcache.protocol import Conflict, Miss, NotStored, RequestFlags, SetMode, Success, Value

from tap import ADDRESS, BINARY, HOST, IS_UNIX, LARGE, PORT, TOO_LARGE
from tap import case, main, raises, same, true, until

TTL = 100


def unix_pool(server):
    def connect():
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(10)
        connection.connect(ADDRESS)
        return connection

    return ConnectionPool(str(server), connect, initial_pool_size=1, max_pool_size=3)


def client(**options):
    server = ServerAddress(ADDRESS, 0) if IS_UNIX else ServerAddress(HOST, PORT)
    factory = unix_pool if IS_UNIX else connection_pool_factory_builder(recv_timeout=10, connection_timeout=10)
    return CacheClient.cache_client_from_servers([server], factory, **options)


@case
def storing():
    c = client()
    same("set", c.set("storing", "one", TTL), True)
    same("get", c.get("storing"), "one")
    same("get of a missing key", c.get("storing-none"), None)
    same("add of a present key", c.set("storing", "x", TTL, set_mode=SetMode.ADD), False)
    same("add of a missing key", c.set("storing-new", "x", TTL, set_mode=SetMode.ADD), True)
    same("refill of a present key", c.refill("storing-new", "x", TTL), False)
    same("refill of a missing key", c.refill("storing-newer", "x", TTL), True)
    same("replace of a present key", c.set("storing-new", "y", TTL, set_mode=SetMode.REPLACE), True)
    same("replace of a missing key", c.set("storing-none", "y", TTL, set_mode=SetMode.REPLACE), False)
    same("append", c.set("storing", " end", TTL, set_mode=SetMode.APPEND), True)
    same("prepend", c.set("storing", "begin ", TTL, set_mode=SetMode.PREPEND), True)
    same("after append and prepend", c.get("storing"), "begin one end")
    same("append to a missing key", c.set("storing-none", "x", TTL, set_mode=SetMode.APPEND), False)
    same("prepend to a missing key", c.set("storing-none", "x", TTL, set_mode=SetMode.PREPEND), False)
    same("delete", c.delete("storing"), True)
    same("delete again", c.delete("storing"), False)
    same("invalidate of a missing key", c.invalidate("storing"), True)
    values = {
        "text": "žluť ☃", "bytes": BINARY, "integer": -17, "huge": 2**80, "list": [1, {"a": 2}], "long": "a" * 9999,
    }
    for name, value in values.items():
        same(f"{name}", (c.set("types", value, TTL), c.get("types")), (True, value))
    same("get_typed", (c.get_typed("types", str), c.get_typed("types", int)), ("a" * 9999, None))


@case
def many():
    c = client()
    values = {f"many-{n}": "v" * (n + 1) for n in range(500)}
    for key, value in values.items():
        # memcached 1.6.18 often stops reading a unix socket in the midst of these when they want no reply.
        c.set(key, value, TTL, no_reply=not IS_UNIX)
    got = c.multi_get([*values, "many-none"])
    same("multi_get", {key.key: value for key, value in got.items()},
         {**values, "many-none": None})
    pairs = {key.key: pair for key, pair in c.multi_get_cas(["many-1", "many-2", "many-none"]).items()}
    same("multi_get_cas", {key: pair[0] for key, pair in pairs.items()},
         {"many-1": "vv", "many-2": "vvv", "many-none": None})
    true("two uniques", pairs["many-1"][1] != pairs["many-2"][1] and pairs["many-none"][1] is None)
    routed = Key("many-1", routing_key="elsewhere")
    same("a key with a routing key", c.multi_get([routed]), {routed: "vv"})


@case
def swapping():
    c = client()
    c.set("swapping", "one", TTL)
    value, unique = c.get_cas("swapping")
    same("get_cas", value, "one")
    same("cas", c.set("swapping", "two", TTL, cas_token=unique), True)
    same("cas with an old unique", c.set("swapping", "three", TTL, cas_token=unique), False)
    newer = c.set_cas("swapping", "four", TTL)
    same("the unique of a set is the item's", c.get_cas("swapping"), ("four", newer))
    same("a set that fails has none", c.set_cas("swapping", "x", TTL, cas_token=unique), None)
    same("delete with an old unique", c.delete("swapping", cas_token=unique), False)
    same("delete with the unique", c.delete("swapping", cas_token=newer), True)
    same("get_cas of a missing key", c.get_cas("swapping"), (None, None))
    key = Key("swapping")
    true("cas of a missing key is a miss", isinstance(c.meta_set(key, "x", RequestFlags(cas_token=newer)), Miss))
    c.set("swapping", "five", TTL)
    true("an old unique is a conflict", isinstance(c.meta_set(key, "x", RequestFlags(cas_token=newer)), Conflict))


@case
def counting():
    c = client()
    same("a counter that is not there", c.delta_and_get("counting", 1), None)
    same("delta without it", c.delta("counting", 1), False)
    same("initialised", c.delta_initialize_and_get("counting", 5, initial_value=10, initial_ttl=TTL), 10)
    same("and counted", c.delta_initialize_and_get("counting", 5, initial_value=10, initial_ttl=TTL), 15)
    same("up", c.delta_and_get("counting", 7), 22)
    same("down", c.delta_and_get("counting", -2), 20)
    same("below zero", c.delta_and_get("counting", -100), 0)
    same("delta", c.delta("counting", 3), True)
    same("delta_initialize", c.delta_initialize("counting-new", 1, initial_value=1, initial_ttl=TTL), True)
    same("as text, perhaps filled up with blanks", c.get("counting").rstrip(), "3")
    unique = c.get_cas("counting")[1]
    same("with a unique", c.delta_and_get("counting", 1, cas_token=unique), 4)
    same("with an old one", c.delta_and_get("counting", 1, cas_token=unique), None)
    same("with another time to live", c.delta_and_get("counting", 1, refresh_ttl=500), 5)
    result = c.meta_get(Key("counting"), RequestFlags(return_ttl=True, return_value=True))
    true("which it has", 495 <= result.flags.ttl <= 500)
    c.set("counting-end", str(2**64 - 1), TTL)
    same("over the end", c.delta_and_get("counting-end", 2), 1)
    c.set("counting-word", "word", TTL)
    raises("of a word", MemcacheError, lambda: c.delta_and_get("counting-word", 1))
    same("the connection is of use after it", client().get("counting-word"), "word")


@case
def metadata():
    c = client()
    key = Key("metadata")
    everything = RequestFlags(
        return_value=True, return_ttl=True, return_size=True, return_last_access=True, return_fetched=True,
        return_client_flag=True, return_cas_token=True, return_key=True, opaque=b"o-77")
    true("a miss", isinstance(c.meta_get(key, everything), Miss))
    unique = c.set_cas("metadata", "12345", 200)
    first = c.meta_get(key, everything)
    true("a value", isinstance(first, Value))
    same("the value", first.value, "12345")
    same("the size", first.flags.size, 5)
    true("the time to live", 195 <= first.flags.ttl <= 200)
    same("the client flags", first.flags.client_flag, 0)
    same("the unique", first.flags.cas_token, unique)
    same("the opaque", first.flags.opaque, b"o-77")
    same("not fetched before", first.flags.fetched, False)
    true("accessed now", first.flags.last_access <= 2)
    same("fetched before", c.meta_get(key, everything).flags.fetched, True)
    same("a hit without a value", isinstance(c.meta_get(key, RequestFlags(return_ttl=True)), Success), True)
    c.set("metadata", "forever", 0)
    same("for ever", c.meta_get(key, everything).flags.ttl, -1)
    same("no_update_lru", c.meta_get(key, everything.replace(no_update_lru=True)).value, "forever")
    c.set("unseen", "v", TTL)
    still = RequestFlags(return_value=True, return_fetched=True, no_update_lru=True)
    same("a look that leaves no trace", [c.meta_get(Key("unseen"), still).flags.fetched for _ in range(2)], [False] * 2)


@case
def recaching():
    c = client()
    c.set("recaching", "old", 20)
    policy = RecachePolicy(ttl=30)
    same("the winner gets a miss", c.get("recaching", recache_policy=policy), None)
    same("the others get the old value", [c.get("recaching", recache_policy=policy) for _ in range(3)], ["old"] * 3)
    c.set("recaching", "new", 500)
    same("all get the new value", [c.get("recaching", recache_policy=policy) for _ in range(2)], ["new"] * 2)
    same("touch when got", c.get("recaching", touch_ttl=10), "new")
    same("and it is old again", c.get("recaching", recache_policy=policy), None)
    same("in multi_get too", list(c.multi_get(["recaching"], recache_policy=policy).values()), ["new"])


@case
def staleness():
    c = client()
    policy = StalePolicy(mark_stale_on_deletion_ttl=30, mark_stale_on_cas_mismatch=True)
    c.set("stale", "old", TTL)
    same("delete marks it stale", c.delete("stale", stale_policy=policy), True)
    value, unique = c.get_cas("stale")
    same("the winner gets a miss with a unique", (value, unique is not None), (None, True))
    same("the others get the stale value", [c.get("stale") for _ in range(3)], ["old"] * 3)
    result = c.meta_get(Key("stale"), RequestFlags(return_value=True, return_ttl=True, return_cas_token=True))
    same("it says stale and lost", (result.flags.stale, result.flags.win), (True, False))
    true("it has the time to live of the delete", 25 <= result.flags.ttl <= 30)
    same("the winner writes", c.set("stale", "new", TTL, cas_token=unique), True)
    same("all get the new value", [c.get("stale") for _ in range(2)], ["new"] * 2)
    c.delete("stale", stale_policy=policy)
    old = c.get_cas("stale")[1]
    c.delete("stale", stale_policy=policy)
    same("a late write after a second delete is taken",
         c.set("stale", "late", TTL, cas_token=old, stale_policy=policy), True)
    same("but it is stale", c.get("stale"), None)
    same("for those who lost", c.get("stale"), "late")
    newer = c.get_cas("stale")[1]
    c.set("stale", "newest", TTL)
    same("without the policy a late write fails", c.set("stale", "x", TTL, cas_token=newer), False)
    same("invalidate without a policy deletes", (c.invalidate("stale"), c.get("stale")), (True, None))


@case
def leases():
    one, two = client(), client()
    waits = []
    policy = LeasePolicy(ttl=30, miss_retries=2, miss_retry_wait=0.01)
    value, unique = one.get_or_lease_cas("lease", policy)
    same("the winner gets a miss with a unique", (value, unique is not None), (None, True))
    same("a loser waits and gets a miss", two.get_or_lease("lease", policy, lease_wait_fn=waits.append), None)
    same("how often it waits", waits, [0.01])
    write = lambda seconds: one.set("lease", "filled", TTL, cas_token=unique)
    same("a loser gets what the winner writes", two.get_or_lease("lease", policy, lease_wait_fn=write), "filled")
    same("then there is no lease", one.get_or_lease("lease", policy), "filled")
    result = one.meta_get(Key("lease-raw"), RequestFlags(return_value=True, return_ttl=True, vivify_on_miss_ttl=30))
    same("a lease is an empty value that is won", (result.size, result.flags.win), (0, True))
    result = two.meta_get(Key("lease-raw"), RequestFlags(return_value=True, return_ttl=True, vivify_on_miss_ttl=30))
    same("and lost by the next", (result.size, result.flags.win), (0, False))
    true("it has its time to live", 25 <= result.flags.ttl <= 30)


@case
def expiring():
    c = client()
    names = ["expiring", "expiring-saved", "expiring-gat", "expiring-cut", "expiring-lease"]
    for name in names[:3]:
        same(f"set of {name} for two seconds", c.set(name, "v", 2), True)
    c.set("expiring-cut", "v", TTL)
    same("touch to be longer", c.touch("expiring-saved", TTL), True)
    same("touch to be shorter", c.touch("expiring-cut", 2), True)
    same("touch of a missing key", c.touch("expiring-none", TTL), False)
    same("get and touch", c.get("expiring-gat", touch_ttl=TTL), "v")
    same("a counter for two seconds",
         c.delta_initialize_and_get("expiring-lease", 1, initial_value=1, initial_ttl=2), 1)
    present = lambda: [key.key for key, value in c.multi_get(names).items() if value is not None]
    same("all before", sorted(present()), sorted(names))
    true("two are left after", until(lambda: sorted(present()) == ["expiring-gat", "expiring-saved"]))
    same("refill after expiry", c.refill("expiring", "v", TTL), True)


@case
def sizes():
    c = client()
    same("512,000 bytes", (c.set("sizes", LARGE, TTL), c.get("sizes")), (True, LARGE))
    raises("2 MB", MemcacheError, lambda: c.set("sizes", TOO_LARGE, TTL))
    same("no stale value after it", client().get("sizes"), None)
    key = "k" * 250
    same("a key of 250", (c.set(key, "v", TTL), c.get(key)), (True, "v"))
    key = "k" * 400
    same("a longer key, which the client makes shorter", (c.set(key, "v", TTL), c.get(key)), (True, "v"))


@case
def odd_keys():
    c = client()
    names = ["schlüssel", "ключ", "a key", "line\r\nend", "\0", "k,;:=/?[]{}|", "get", "b", "0"]
    for name in names:
        same(f"set of {name!r}", c.set(name, name, TTL), True)
    same("get of all", {key.key: value for key, value in c.multi_get(names).items()}, {name: name for name in names})
    same("delete of a binary key", (c.delete("a key"), c.get("a key")), (True, None))
    same("a counter with a binary key", c.delta_initialize_and_get("a\tcounter", 1, 5, TTL), 5)
    result = c.meta_get(Key("ключ"), RequestFlags(return_key=True, return_value=True, return_client_flag=True))
    same("a binary key that comes back", result.value, "ключ")


@case
def quiet():
    c = client()
    for n in range(200):
        c.set(f"quiet-{n}", str(n), TTL, no_reply=True)
    c.refill("quiet-0", "no", TTL, no_reply=True)
    c.delete("quiet-1", no_reply=True)
    c.invalidate("quiet-none", no_reply=True)
    c.touch("quiet-2", 500, no_reply=True)
    c.delta("quiet-3", 10, no_reply=True)
    c.delta_initialize("quiet-new", 1, 7, TTL, no_reply=True)
    got = {key.key: value for key, value in c.multi_get([f"quiet-{n}" for n in range(5)] + ["quiet-new"]).items()}
    same("what they did", got,
         {"quiet-0": "0", "quiet-1": None, "quiet-2": "2", "quiet-3": "13", "quiet-4": "4", "quiet-new": "7"})
    same("the last", c.get("quiet-199"), "199")
    true("not stored", isinstance(c.meta_set(Key("quiet-0"), "x", RequestFlags(mode=SetMode.ADD.value)), NotStored))
    [counters] = c.get_counters().values()
    same("errors of the pool", counters.total_errors, 0)


main(importlib.metadata.version("meta-memcache"))
