# What the Python clients share: checks that are printed as TAP, the two arguments of every client script, and the
# checks that several clients begin a case with.
# A script imports this, marks its cases with @case and ends with main(version). A case that raises has failed and the
# next one goes on; an `async` case has an event loop of its own. Not a framework: every case says itself what is right.

import asyncio
import inspect
import random
import sys
import time
import traceback

PROTOCOL, ADDRESS = sys.argv[1:3]
IS_UNIX = ADDRESS.startswith("/")
HOST, PORT = (None, None) if IS_UNIX else (ADDRESS.split(":")[0], int(ADDRESS.split(":")[1]))

# Random, so that no client can make them smaller.
LARGE = random.Random(1).randbytes(512_000)
TOO_LARGE = random.Random(2).randbytes(2 << 20)
BINARY = bytes(range(256)) + b"\r\nEND\r\nVALUE a 0 1\r\n\0"

_cases = []
_counts = {"all": 0, "failed": 0}


def _report(is_ok, text):
    _counts["all"] += 1
    _counts["failed"] += not is_ok
    print(("ok - " if is_ok else "not ok - ") + text, flush=True)


def _brief(value):
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}... ({len(text)} characters)"


def same(name, actual, expected):
    """Equal and of the same type: True is not 1."""
    is_same = type(actual) is type(expected) and actual == expected
    _report(is_same, name if is_same else f"{name}: expected {_brief(expected)}, got {_brief(actual)}")


def true(name, condition):
    same(name, bool(condition), True)


def raises(name, kinds, call, *words):
    """The call raises one of these kinds, and its message has all the words."""
    try:
        value = call()
    except kinds as error:
        missing = [word for word in words if word not in str(error)]
        _report(not missing, name if not missing else f"{name}: {error!r} has no {missing}")
    else:
        _report(False, f"{name}: expected an error, got {_brief(value)}")


async def raises_async(name, kinds, awaitable, *words):
    async_error = None
    try:
        value = await awaitable
    except kinds as error:
        async_error = error

    def again():
        if async_error is not None:
            raise async_error
        return value

    raises(name, kinds, again, *words)


def skip(name, reason):
    _report(True, f"{name} # SKIP {reason}")


def until(condition, seconds=5):
    """Asks again and again until the condition holds or the time is over; returns whether it held."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


async def until_async(condition, seconds=5):
    end = time.monotonic() + seconds
    while not await condition():
        if time.monotonic() > end:
            return False
        await asyncio.sleep(0.05)
    return True


def case(function):
    _cases.append(function)
    return function


def storing_begins(c):
    """Leaves "one" in `storing` and "y" in `storing-new`."""
    same("set", c.set("storing", "one"), True)
    same("get", c.get("storing"), "one")
    same("get of a missing key", c.get("storing-none"), None)
    same("get with a default", c.get("storing-none", 7), 7)
    same("add of a present key", c.add("storing", "x"), False)
    same("add of a missing key", c.add("storing-new", "x"), True)
    same("replace of a present key", c.replace("storing-new", "y"), True)


def joining(c):
    same("append", c.append("storing", " end"), True)
    same("prepend", c.prepend("storing", "begin "), True)
    same("after append and prepend", c.get("storing"), "begin one end")
    same("append to a missing key", c.append("storing-none", "x"), False)
    same("prepend to a missing key", c.prepend("storing-none", "x"), False)


def odd_text_keys(c):
    names = ["schlüssel", "ключ", "k,;:=/?[]{}|", "get", "noreply", "0"]
    for name in names:
        same(f"set of {name}", c.set(name, name), True)
    same("get of all", c.get_multi(names), {name: name for name in names})


def main(version):
    print(f"# version {version}")
    for function in _cases:
        try:
            result = function()
            if inspect.isawaitable(result):
                asyncio.run(result)
        except Exception:
            _report(False, f"{function.__name__} raised {traceback.format_exc(limit=-3).strip().splitlines()[-1]}")
            traceback.print_exc(limit=-4)
    print(f"1..{_counts['all']}")
    sys.exit(1 if _counts["failed"] else 0)
