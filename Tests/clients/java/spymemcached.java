// spymemcached, the asynchronous Java client: text and binary protocol, merged gets, quiet multi gets, CAS loops, get
// and touch, counters with initial values. Usage: java -cp spymemcached.jar spymemcached.java text|binary HOST:PORT
// Prints TAP. It has no unix sockets. It puts waiting gets together into one multi get, so order matters to it.

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import net.spy.memcached.AddrUtil;
import net.spy.memcached.CASMutation;
import net.spy.memcached.CASMutator;
import net.spy.memcached.CASResponse;
import net.spy.memcached.CASValue;
import net.spy.memcached.ConnectionFactoryBuilder;
import net.spy.memcached.MemcachedClient;
import net.spy.memcached.internal.OperationFuture;
import net.spy.memcached.transcoders.IntegerTranscoder;
import net.spy.memcached.transcoders.SerializingTranscoder;

final class Spymemcached {
  interface Case {
    void run() throws Exception;
  }

  static boolean isBinary;
  static String address;
  static MemcachedClient client;
  static int checks;
  static int failed;
  static final byte[] LARGE = new byte[512_000];
  static final byte[] TOO_LARGE = new byte[2 << 20];

  static void report(boolean isRight, String text) {
    checks++;
    failed += isRight ? 0 : 1;
    System.out.println((isRight ? "ok - " : "not ok - ") + text);
  }

  static void same(String name, Object actual, Object expected) {
    boolean isSame = Objects.deepEquals(actual, expected);
    report(isSame, isSame ? name : name + ": expected " + brief(expected) + ", got " + brief(actual));
  }

  static String brief(Object value) {
    String text = String.valueOf(value).replace('\n', ' ');
    return text.length() > 200 ? text.substring(0, 200) : text;
  }

  static void fails(String name, Callable<?> call, String words) {
    try {
      report(false, name + ": expected an error, got " + brief(call.call()));
    } catch (Exception error) {
      boolean isRight = String.valueOf(error).toLowerCase().contains(words);
      report(isRight, isRight ? name : name + ": " + brief(error));
    }
  }

  static boolean until(Callable<Boolean> condition) throws Exception {
    long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(5);
    while (System.nanoTime() < end) {
      if (condition.call()) {
        return true;
      }
      Thread.sleep(50);
    }
    return false;
  }

  static MemcachedClient connect() throws Exception {
    SerializingTranscoder transcoder = new SerializingTranscoder(8 << 20);
    transcoder.setCompressionThreshold(16 << 20);
    return new MemcachedClient(
        new ConnectionFactoryBuilder()
            .setProtocol(isBinary ? ConnectionFactoryBuilder.Protocol.BINARY : ConnectionFactoryBuilder.Protocol.TEXT)
            .setTranscoder(transcoder).setOpTimeout(10_000).setDaemon(true).build(),
        AddrUtil.getAddresses(address));
  }

  static void storing() throws Exception {
    same("set", client.set("storing", 0, "one").get(), true);
    same("get", client.get("storing"), "one");
    same("get of a missing key", client.get("storing-none"), null);
    same("add of a present key", client.add("storing", 0, "x").get(), false);
    same("add of a missing key", client.add("storing-new", 0, "x").get(), true);
    same("replace of a present key", client.replace("storing-new", 0, "y").get(), true);
    same("replace of a missing key", client.replace("storing-none", 0, "y").get(), false);
    same("append", client.append("storing", " end").get(), true);
    same("prepend", client.prepend("storing", "begin ").get(), true);
    same("after append and prepend", client.get("storing"), "begin one end");
    same("append to a missing key", client.append("storing-none", "x").get(), false);
    same("prepend to a missing key", client.prepend("storing-none", "x").get(), false);
    same("delete", client.delete("storing").get(), true);
    same("delete again", client.delete("storing").get(), false);
    byte[] bytes = new byte[256];
    for (int i = 0; i < 256; i++) {
      bytes[i] = (byte) i;
    }
    Object[] values = {"žluť ☃", bytes, "", -17, 2L << 40, 2.5, true, 'c', new ArrayList<>(List.of(1, "a"))};
    for (Object value : values) {
      client.set("types", 0, value).get();
      same("a value of " + value.getClass().getSimpleName(), client.get("types"), value);
    }
    client.set("types", 0, 77, new IntegerTranscoder()).get();
    same("a transcoder", client.get("types", new IntegerTranscoder()), 77);
  }

  static void many() throws Exception {
    List<Future<Boolean>> sets = new ArrayList<>();
    Map<String, Object> all = new HashMap<>();
    for (int i = 0; i < 500; i++) {
      sets.add(client.set("many-" + i, 0, i));
      all.put("many-" + i, i);
    }
    boolean isStored = true;
    for (Future<Boolean> set : sets) {
      isStored &= set.get();
    }
    same("sets at once", isStored, true);
    List<String> keys = new ArrayList<>(all.keySet());
    keys.add("many-none");
    same("getBulk", client.getBulk(keys), all);
    same("getBulk of nothing", client.getBulk("many-none", "many-nobody"), Map.of());
    List<Future<Object>> gets = new ArrayList<>();
    for (int i = 0; i < 500; i++) {
      gets.add(client.asyncGet("many-" + i));
    }
    gets.add(client.asyncGet("many-none"));
    gets.add(client.asyncGet("many-1"));
    boolean isRight = true;
    for (int i = 0; i < 500; i++) {
      isRight &= Objects.equals(gets.get(i).get(), i);
    }
    same("gets at once", isRight, true);
    same("a missing one among them", gets.get(500).get(), null);
    same("one asked twice", gets.get(501).get(), 1);
    List<Future<?>> mixed = new ArrayList<>();
    for (int i = 0; i < 50; i++) {
      mixed.add(client.set("mixed", 0, String.valueOf(i)));
      mixed.add(client.asyncGet("mixed"));
      mixed.add(client.asyncGets("mixed"));
      mixed.add(client.delete("mixed"));
      mixed.add(client.asyncGet("mixed"));
    }
    isRight = true;
    for (int i = 0; i < 50; i++) {
      isRight &= Objects.equals(mixed.get(5 * i + 1).get(), String.valueOf(i)) && mixed.get(5 * i + 4).get() == null;
    }
    same("sets, gets and deletes in their order", isRight, true);
  }

  static void swapping() throws Exception {
    client.set("swapping", 0, "one").get();
    CASValue<Object> first = client.gets("swapping");
    same("gets", first.getValue(), "one");
    same("cas", client.cas("swapping", first.getCas(), "two"), CASResponse.OK);
    same("cas with an old unique", client.cas("swapping", first.getCas(), "x"), CASResponse.EXISTS);
    same("cas of a missing key", client.cas("swapping-none", first.getCas(), "x"), CASResponse.NOT_FOUND);
    same("gets of a missing key", client.gets("swapping-none"), null);
    same("cas with a lifetime", client.cas("swapping", client.gets("swapping").getCas(), 100, "three"), CASResponse.OK);
    same("after cas", client.get("swapping"), "three");
    OperationFuture<Boolean> set = client.set("swapping", 0, "four");
    set.get();
    if (isBinary) {
      same("the unique of a set is the item's", set.getCas(), client.gets("swapping").getCas());
      same("append with a wrong unique", client.append(1L, "swapping", "x").get(), false);
      same("append with the unique", client.append(client.gets("swapping").getCas(), "swapping", "!").get(), true);
      same("delete with a wrong unique", client.delete("swapping", 1L).get(), false);
      same("delete with the unique", client.delete("swapping", client.gets("swapping").getCas()).get(), true);
    }
    CASMutator<Object> mutator = new CASMutator<>(client, client.getTranscoder());
    CASMutation<Object> longer = value -> value + "+";
    for (int i = 0; i < 20; i++) {
      mutator.cas("mutated", "+", 0, longer);
    }
    same("CASMutator", client.get("mutated"), "+".repeat(20));
  }

  static void counting() throws Exception {
    client.set("counting", 0, "10").get();
    same("incr", client.incr("counting", 5), 15L);
    same("decr", client.decr("counting", 4), 11L);
    same("decr below zero", client.decr("counting", 100), 0L);
    same("incr of a missing key", client.incr("counting-none", 1), -1L);
    same("decr of a missing key", client.decr("counting-none", 1), -1L);
    same("incr with an initial value", client.incr("counting-new", 5, 10L), 10L);
    same("and again", client.incr("counting-new", 5, 10L), 15L);
    same("decr with an initial value", client.decr("counting-newer", 5, 20L, 100), 20L);
    same("and again", client.decr("counting-newer", 5, 20L, 100), 15L);
    same("asyncIncr", client.asyncIncr("counting", 3).get(), 3L);
    if (isBinary) {
      same("asyncDecr with an initial value", client.asyncDecr("counting-newest", 1, 9L, 100).get(), 9L);
    }
    client.set("counting-word", 0, "word").get();
    if (isBinary) {
      same("incr of a word", client.asyncIncr("counting-word", 1).get(), -1L);
    } else {
      fails("incr of a word", () -> client.asyncIncr("counting-word", 1).get(), "non-numeric");
    }
    same("the connection is of use after it", client.get("counting-word"), "word");
  }

  static void expiring() throws Exception {
    client.set("expiring", 2, "v").get();
    client.set("expiring-saved", 2, "v").get();
    client.set("expiring-gat", 2, "v").get();
    client.set("expiring-cut", 0, "v").get();
    client.add("expiring-added", 2, "v").get();
    same("touch to be longer", client.touch("expiring-saved", 100).get(), true);
    same("touch to be shorter", client.touch("expiring-cut", 2).get(), true);
    same("touch of a missing key", client.touch("expiring-none", 100).get(), false);
    if (isBinary) {
      same("getAndTouch", client.getAndTouch("expiring-gat", 100).getValue(), "v");
      same("getAndTouch of a missing key", client.getAndTouch("expiring-none", 100), null);
    } else {
      report(true, "getAndTouch # SKIP spymemcached has it in the binary protocol only");
      client.touch("expiring-gat", 100).get();
    }
    List<String> names = List.of("expiring", "expiring-saved", "expiring-gat", "expiring-cut", "expiring-added");
    same("all before", client.getBulk(names).size(), 5);
    same("two are left after", until(() -> client.getBulk(names).size() == 2), true);
    same("which", client.getBulk(names), Map.of("expiring-saved", "v", "expiring-gat", "v"));
    same("add after expiry", client.add("expiring", 0, "again").get(), true);
  }

  static void sizes() throws Exception {
    same("set of 512,000 bytes", client.set("sizes", 0, LARGE).get(), true);
    same("get of 512,000 bytes", client.get("sizes"), LARGE);
    OperationFuture<Boolean> set = client.set("sizes", 0, TOO_LARGE);
    boolean isStored;
    try {
      isStored = set.get();
    } catch (ExecutionException error) {
      isStored = false;
    }
    same("set of 2 MB is refused", isStored, false);
    same("no stale value after it", client.get("sizes"), null);
    String key = "k".repeat(250);
    same("set with a key of 250", client.set(key, 0, "v").get(), true);
    same("get with a key of 250", client.get(key), "v");
    fails("a key of 251", () -> client.set("k".repeat(251), 0, "v").get(), "too long");
    for (String name : List.of("schlüssel", "ключ", "k,;:=/?[]{}|", "get", "0")) {
      client.set(name, 0, name).get();
      same("the key " + name, client.get(name), name);
    }
    if (isBinary) {
      client.set("a key\r\n", 0, "v").get();
      same("a key with blanks", client.get("a key\r\n"), "v");
    } else {
      fails("a key with blanks", () -> client.set("a key\r\n", 0, "v").get(), "invalid");
    }
  }

  static void reports() throws Exception {
    Map<String, String> before = client.getStats().values().iterator().next();
    client.set("reports", 0, "v").get();
    client.get("reports");
    client.get("reports-none");
    Map<String, String> after = client.getStats().values().iterator().next();
    for (String name : List.of("cmd_set", "get_hits", "get_misses")) {
      same(name, Long.parseLong(after.get(name)) - Long.parseLong(before.get(name)), 1L);
    }
    same("limit_maxbytes", after.get("limit_maxbytes"), "67108864");
    same("version", client.getVersions().values().iterator().next(), after.get("version"));
    Map<String, String> settings = client.getStats("settings").values().iterator().next();
    same("tcpport", settings.get("tcpport"), address.split(":")[1]);
    same("item_size_max", settings.get("item_size_max"), "1048576");
    Map<String, String> items = client.getStats("items").values().iterator().next();
    same("items", items.keySet().stream().anyMatch(name -> name.matches("items:\\d+:number")), true);
    same("slabs", client.getStats("slabs").values().iterator().next().containsKey("active_slabs"), true);
  }

  static void flushing() throws Exception {
    client.set("flushing", 0, "v").get();
    same("flush", client.flush().get(), true);
    same("get after flush", client.get("flushing"), null);
    same("set after flush", client.set("flushing", 0, "w").get(), true);
    same("get of a value set after it", client.get("flushing"), "w");
    MemcachedClient other = connect();
    same("another client", other.get("flushing"), "w");
    same("its queues end", other.waitForQueues(5, TimeUnit.SECONDS), true);
    same("its shutdown", other.shutdown(5, TimeUnit.SECONDS), true);
  }

  static void run(String name, Case body) {
    try {
      body.run();
    } catch (Exception error) {
      report(false, name + " threw " + brief(error) + " " + Arrays.toString(error.getStackTrace()));
    }
  }

  public static void main(String[] arguments) throws Exception {
    System.setProperty("net.spy.log.LoggerImpl", "net.spy.memcached.compat.log.SunLogger");
    java.util.logging.Logger.getLogger("net.spy").setLevel(java.util.logging.Level.OFF);
    isBinary = arguments[0].equals("binary");
    address = arguments[1];
    new Random(1).nextBytes(LARGE);
    new Random(2).nextBytes(TOO_LARGE);
    client = connect();
    run("storing", Spymemcached::storing);
    run("many", Spymemcached::many);
    run("swapping", Spymemcached::swapping);
    run("counting", Spymemcached::counting);
    run("expiring", Spymemcached::expiring);
    run("sizes", Spymemcached::sizes);
    run("reports", Spymemcached::reports);
    run("flushing", Spymemcached::flushing);
    System.out.println("1.." + checks);
    System.exit(failed == 0 ? 0 : 1);
  }
}
