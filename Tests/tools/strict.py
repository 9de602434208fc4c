# Parsers of statistics that are as strict as the programs that read them: the Prometheus exporter, telegraf, collectd
# and mtop. Each raises AssertionError with what that program would fail on. The rules are facts about those programs;
# nothing here talks to a server but `ask`.
import re
import socket

# What the exporter cannot do without once the first of a group is there, and what mtop wants of every server.
CAS = ("cas_hits", "cas_misses", "cas_badval")
MTOP_ITEMS = (
    "number number_hot number_warm number_cold age_hot age_warm age mem_requested evicted evicted_nonzero evicted_time "
    "outofmemory tailrepairs reclaimed expired_unfetched evicted_unfetched evicted_active crawler_reclaimed "
    "crawler_items_checked lrutail_reflocked moves_to_cold moves_to_warm moves_within_lru direct_reclaims hits_to_hot "
    "hits_to_warm hits_to_cold hits_to_temp").split()
MTOP_SLABS = (
    "chunk_size chunks_per_page total_pages total_chunks used_chunks free_chunks get_hits cmd_set delete_hits "
    "incr_hits decr_hits cas_hits cas_badval touch_hits").split()
MTOP_STATS = (
    "pid uptime time version pointer_size rusage_user rusage_system max_connections curr_connections total_connections "
    "rejected_connections connection_structures cmd_get cmd_set cmd_flush cmd_touch cmd_meta get_hits get_misses "
    "get_expired get_flushed delete_misses delete_hits incr_misses incr_hits decr_misses decr_hits cas_misses cas_hits "
    "cas_badval touch_hits touch_misses store_too_large store_no_memory bytes_read bytes_written limit_maxbytes "
    "threads bytes curr_items total_items evictions").split()
# Gauges and counters the exporter makes numbers of, wherever they are present.
EXPORTED = (
    "uptime time bytes_read bytes_written curr_connections total_connections rejected_connections conn_yields "
    "listen_disabled_num bytes limit_maxbytes curr_items total_items evictions reclaimed store_too_large "
    "store_no_memory direct_reclaims lru_crawler_starts crawler_reclaimed crawler_items_checked moves_to_cold "
    "moves_to_warm moves_within_lru accepting_conns round_robin_fallback unexpected_napi_ids cmd_set cmd_flush").split()
SETTINGS_NUMBERS = "maxconns lru_crawler_sleep lru_crawler_tocrawl hot_lru_pct warm_lru_pct".split()
SETTINGS_FRACTIONS = "hot_max_factor warm_max_factor".split()
SETTINGS_WORDS = "lru_crawler lru_maintainer_thread".split()


def ask(port, *commands):
    """The replies to the commands, all on one connection as the exporter does it; each ends with END."""
    replies = []
    with socket.create_connection(("127.0.0.1", port), 5) as client:
        for command in commands:
            client.sendall(command.encode() + b"\r\n")
            text = b""
            while not text.endswith(b"END\r\n"):
                part = client.recv(65536)
                assert part, f"{command}: closed before END"
                text += part
            replies.append(text)
    return replies


def pairs(text, command):
    """As gomemcache and telegraf read it: exactly `STAT name value`, one blank each, CRLF, then END."""
    lines = text.decode("ascii").split("\r\n")
    assert lines[-2:] == ["END", ""], f"{command}: ends with {lines[-2:]}"
    found = {}
    for line in lines[:-2]:
        match = re.fullmatch(r"STAT (\S+) (\S.*)", line)
        assert match, f"{command}: {line!r} is not STAT, a name and a value"
        assert match.group(1) not in found, f"{command}: {match.group(1)} comes twice"
        found[match.group(1)] = match.group(2)
    return found


def number(table, name, command, minimum=0):
    assert name in table, f"{command}: {name} is missing"
    assert re.fullmatch(r"-?\d+(\.\d+)?", table[name]), f"{command}: {name} is no number: {table[name]}"
    assert float(table[name]) >= minimum, f"{command}: {name} is {table[name]}"
    return float(table[name])


def classes(table, command, pattern):
    """Lines of slab classes by class. The exporter takes whatever stands before a colon for a class's number."""
    found, others = {}, {}
    for name, value in table.items():
        match = re.fullmatch(pattern, name)
        if match:
            found.setdefault(int(match.group(1)), {})[match.group(2)] = value
        else:
            assert ":" not in name, f"{command}: {name} has a colon and no class"
            others[name] = value
    return found, others


def exporter(port):
    """What memcached_exporter 0.16 makes of the four reports; returns how many figures and classes."""
    stats_text, slabs_text, items_text = ask(port, "stats", "stats slabs", "stats items")
    settings_text, = ask(port, "stats settings")
    stats = pairs(stats_text, "stats")
    for name in stats:
        assert ":" not in name, f"stats: {name} would be taken for a slab class"
    for name in EXPORTED:
        number(stats, name, "stats")
    for name in ("rusage_user", "rusage_system"):
        assert re.fullmatch(r"\d+\.\d{6}", stats[name]), f"stats: {name} is {stats[name]}"
    for verb in ("get", "delete", "incr", "decr", "cas", "touch"):
        number(stats, f"{verb}_hits", "stats")
        number(stats, f"{verb}_misses", "stats")
    sets = number(stats, "cmd_set", "stats") - sum(number(stats, name, "stats") for name in CAS)
    assert sets >= 0, f"stats: cmd_set is {sets} less than the cas counts"

    slabs, rest = classes(pairs(slabs_text, "stats slabs"), "stats slabs", r"(\d+):(\w+)")
    assert set(rest) == {"active_slabs", "total_malloced"}, f"stats slabs: {rest}"
    number(rest, "total_malloced", "stats slabs")
    for index, slab in slabs.items():
        place = f"stats slabs {index}"
        for name in MTOP_SLABS:
            number(slab, name, place)
        assert number(slab, "cmd_set", place) >= number(slab, "cas_hits", place) + number(slab, "cas_badval", place)
    items, rest = classes(pairs(items_text, "stats items"), "stats items", r"items:(\d+):(\w+)")
    assert not rest, f"stats items: {rest}"
    for index, item in items.items():
        assert index in slabs, f"stats items: class {index} is not in stats slabs"
        for name in ("store_too_large", "store_no_memory"):
            assert name not in item, f"stats items: {name} has no label in the exporter and ends it"
        for name in MTOP_ITEMS:
            number(item, name, f"stats items {index}")

    settings = pairs(settings_text, "stats settings")
    for name in SETTINGS_NUMBERS + SETTINGS_FRACTIONS:
        number(settings, name, "stats settings")
    for name in SETTINGS_WORDS:
        assert settings.get(name) in ("yes", "no"), f"stats settings: {name} is {settings.get(name)}"
    return f"{len(stats)} stats, {len(settings)} settings, {len(slabs)} slab classes, {len(items)} with items"


def telegraf(port):
    stats = pairs(ask(port, "stats")[0], "stats")
    return f"{len(stats)} lines, each STAT, name, value"


def collectd_buffer(port):
    size = len(ask(port, "stats")[0])
    assert size < 4096, f"stats has {size} bytes; collectd reads 4096"
    return f"stats has {size} bytes; a reader of 4096 gets all"


def mtop(port):
    """Every name it knows must be there."""
    stats = pairs(ask(port, "stats")[0], "stats")
    missing = [name for name in MTOP_STATS if name not in stats]
    assert not missing, f"stats: {missing}"
    return f"all {len(MTOP_STATS)} names of stats, {len(MTOP_ITEMS)} of items, {len(MTOP_SLABS)} of slabs"
