# Clients that log in: pylibmc and python-binary-memcached by SASL, emcache by its own user and password and pymemcache
# by a plain set with the token. The right password gets in, a wrong one and none at all do not, and a client that was
# refused comes in with the right one. Usage: CLIENT=NAME login.py text|binary ADDRESS
# The server knows the user `web` with the password `correct-horse`.

import asyncio
import importlib.metadata
import os

from tap import ADDRESS, HOST, IS_UNIX, PORT, case, main, same, true

NAME = os.environ["CLIENT"]
USER, PASSWORD = "web", "correct-horse"


class Pylibmc:
    def __init__(self, user, password):
        import pylibmc

        login = {} if user is None else {"username": user, "password": password}
        self.client = pylibmc.Client([ADDRESS], binary=True, **login)
        self.errors = pylibmc.Error

    def store(self, key, value):
        return self.client.set(key, value)

    def load(self, key):
        return self.client.get(key)


class Bmemcached:
    def __init__(self, user, password):
        import bmemcached

        self.client = bmemcached.Client([ADDRESS], user, password, socket_timeout=5)
        self.errors = (bmemcached.exceptions.MemcachedException, OSError)

    def store(self, key, value):
        return self.client.set(key, value)

    def load(self, key):
        return self.client.get(key)


class Pymemcache:
    """It knows no login: its first command is the token."""

    def __init__(self, user, password):
        from pymemcache.client.base import Client
        from pymemcache.exceptions import MemcacheError
        from pymemcache.serde import pickle_serde

        self.client = Client(ADDRESS if IS_UNIX else (HOST, PORT), serde=pickle_serde, timeout=5, default_noreply=False)
        self.errors = (MemcacheError, OSError)
        if user is not None:
            self.client.set("login", f"{user} {password}")

    def store(self, key, value):
        return self.client.set(key, value)

    def load(self, key):
        return self.client.get(key)


class Emcache:
    def __init__(self, user, password):
        import emcache.client_errors

        self.errors = (emcache.CommandError, emcache.client_errors.AuthenticationError, asyncio.TimeoutError, OSError)
        self.node = emcache.MemcachedUnixSocketPath(ADDRESS) if IS_UNIX else emcache.MemcachedHostAddress(HOST, PORT)
        self.login = {} if user is None else {"username": user, "password": password}

    def _run(self, body):
        async def run():
            import emcache

            client = await emcache.create_client([self.node], timeout=3.0, **self.login)
            try:
                return await body(client)
            finally:
                await client.close()

        return asyncio.run(run())

    def store(self, key, value):
        async def body(client):
            await client.set(key.encode(), value.encode())
            return True

        return self._run(body)

    def load(self, key):
        async def body(client):
            item = await client.get(key.encode())
            return item and item.value.decode()

        return self._run(body)


KIND = {"pylibmc": Pylibmc, "python-binary-memcached": Bmemcached, "pymemcache": Pymemcache, "emcache": Emcache}[NAME]


def is_refused(user, password, key):
    """The client is told, or it can neither store nor load; some libraries raise, others answer False and None."""
    try:
        c = KIND(user, password)
    except Exception:
        return True
    results = []
    for call in (lambda: c.store(key, "x"), lambda: c.load(key)):
        try:
            results.append(call())
        except c.errors:
            results.append(None)
    return not any(results)


@case
def right():
    c = KIND(USER, PASSWORD)
    same("set", c.store("right", "v"), True)
    same("get", c.load("right"), "v")
    other = KIND(USER, PASSWORD)
    same("get by another client", other.load("right"), "v")
    for number in range(100):
        c.store(f"right-{number}", "v" * number)
    same("a hundred more", [len(c.load(f"right-{number}") or "") for number in range(100)], list(range(100)))


@case
def wrong():
    before = KIND(USER, PASSWORD)
    before.store("wrong", "mine")
    for name, user, password in [
        ("a wrong password", USER, "correct-hors"), ("a longer password", USER, "correct-horses"),
        ("another user", "we", PASSWORD), ("nobody", None, None), ("the password as user", PASSWORD, USER),
    ]:
        true(f"{name} is refused", is_refused(user, password, "wrong"))
    same("nothing was changed", before.load("wrong"), "mine")
    same("and the right one gets in", KIND(USER, PASSWORD).load("wrong"), "mine")


main(importlib.metadata.version(NAME))
