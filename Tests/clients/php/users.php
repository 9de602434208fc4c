<?php
// What users of PHP's pecl memcached do with a server, as one script that checks every result: types and flags, multi
// and delayed gets, cas loops, prefixes, buffered writes, pools with keys by group, counters, namespaces, sessions.
// Usage: php users.php [--binary] PORT [PORT2 PORT3]
//   Servers are on 127.0.0.1 and are flushed between the cases. Without PORT2 and PORT3 the pool cases are left out.
//   --binary talks the binary protocol where pecl memcached knows it; the default is text, as in `new Memcached`.
// Prints `N passed, 0 failed` and ends with 0, or a readable message about the first failure and 1.
// Not a unit test of pecl memcached, and not a load test.

declare(strict_types=1);

final class Failed extends Exception
{
}

$arguments = array_slice($argv, 1);
define('IS_BINARY', in_array('--binary', $arguments, true));
define('PORTS', array_map('intval', array_values(array_diff($arguments, ['--binary']))));
if (count(PORTS) === 0 || in_array(0, PORTS, true)) {
  fwrite(STDERR, "usage: php users.php [--binary] PORT [PORT2 PORT3]\n");
  exit(2);
}
if (!extension_loaded('memcached')) {
  fwrite(STDERR, "the memcached extension is missing; install it with: apt-get install php-cli php-memcached\n");
  exit(2);
}
set_error_handler(function (int $level, string $message) {
  throw new Failed("PHP says: $message");
});

$passed = 0;

/** Fails unless $actual is identical to $expected. */
function same(mixed $expected, mixed $actual, string $what): void
{
  global $passed;
  if ($expected !== $actual) {
    throw new Failed("$what: expected " . brief($expected) . ', got ' . brief($actual));
  }
  $passed++;
}

/** The same for objects and floats, which are compared by value. */
function equal(mixed $expected, mixed $actual, string $what): void
{
  global $passed;
  if (gettype($expected) !== gettype($actual) || $expected != $actual) {
    throw new Failed("$what: expected " . brief($expected) . ', got ' . brief($actual));
  }
  $passed++;
}

function brief(mixed $value): string
{
  $text = var_export($value, true);
  return strlen($text) > 300 ? substr($text, 0, 300) . '... (' . strlen($text) . ' bytes)' : $text;
}

/** Fails unless the last operation of $m had this result. */
function result(Memcached $m, int $code, string $what): void
{
  same($code, $m->getResultCode(), "$what (result code, '" . $m->getResultMessage() . "')");
}

/** The value of $body and the warning it gave. */
function warned(callable $body): array
{
  $warning = '';
  set_error_handler(function (int $level, string $message) use (&$warning) {
    $warning = $message;
    return true;
  });
  try {
    return [$body(), $warning];
  } finally {
    restore_error_handler();
  }
}

/** A new client of the first server, or of all of them. */
function client(bool $pool = false, ?string $persistent = null): Memcached
{
  $m = $persistent === null ? new Memcached() : new Memcached($persistent);
  if (count($m->getServerList()) === 0) {
    $m->setOption(Memcached::OPT_BINARY_PROTOCOL, IS_BINARY);
    $m->setOption(Memcached::OPT_POLL_TIMEOUT, 10000);
    if ($pool) {
      $m->setOption(Memcached::OPT_LIBKETAMA_COMPATIBLE, true);
    }
    foreach ($pool ? PORTS : [PORTS[0]] as $port) {
      $m->addServer('127.0.0.1', $port);
    }
  }
  return $m;
}

/** Flags, stored bytes and their number as the server has them, asked without pecl memcached; null for a miss. */
function stored(string $key, int $port = PORTS[0]): ?array
{
  $socket = stream_socket_client("tcp://127.0.0.1:$port", $code, $message, 10);
  stream_set_timeout($socket, 10);
  fwrite($socket, "get $key\r\n");
  $line = rtrim((string) fgets($socket), "\r\n");
  if ($line === 'END') {
    return null;
  }
  if (!preg_match('/^VALUE (\S+) (\d+) (\d+)$/', $line, $parts) || $parts[1] !== $key) {
    throw new Failed("get $key answered '$line'");
  }
  $bytes = (string) stream_get_contents($socket, (int) $parts[3]);
  same("\r\n", stream_get_contents($socket, 2), "the end of the value of $key");
  same("END\r\n", fgets($socket), "the end of the reply to get $key");
  fclose($socket);
  return ['flags' => (int) $parts[2], 'bytes' => $bytes, 'length' => strlen($bytes)];
}

/** getAllKeys has all these keys, each once; flushed keys may be listed too until somebody takes them away. */
function allKeys(Memcached $m, array $expected): void
{
  if (IS_BINARY) {
    same(false, $m->getAllKeys(), 'getAllKeys, which is for the text protocol');
    return;
  }
  $keys = $m->getAllKeys();
  same([], array_values(array_diff($expected, $keys)), 'keys missing in getAllKeys');
  same(count($expected), count(array_intersect($keys, $expected)), 'keys listed once by getAllKeys');
}

final class Person
{
  public array $friends = [];
  public function __construct(public string $name, private int $age)
  {
  }
}

/** Bytes that no compression makes smaller. */
function noise(int $count): string
{
  $text = '';
  for ($i = 0; strlen($text) < $count; $i++) {
    $text .= sha1("noise $i", true);
  }
  return substr($text, 0, $count);
}

$cases = [];

// MARK: one server

$cases['set, get, add, replace, delete'] = function () {
  $m = client();
  same(false, $m->get('key'), 'get of a missing key');
  result($m, Memcached::RES_NOTFOUND, 'get of a missing key');
  same(true, $m->set('key', 'value'), 'set');
  result($m, Memcached::RES_SUCCESS, 'set');
  same('value', $m->get('key'), 'get');
  result($m, Memcached::RES_SUCCESS, 'get');
  same(false, $m->add('key', 'other'), 'add on an existing key');
  result($m, IS_BINARY ? Memcached::RES_DATA_EXISTS : Memcached::RES_NOTSTORED, 'add on an existing key');
  same('value', $m->get('key'), 'get after a refused add');
  same(true, $m->add('new', 'first'), 'add');
  same(true, $m->replace('new', 'second'), 'replace');
  same('second', $m->get('new'), 'get after replace');
  same(false, $m->replace('absent', 'x'), 'replace of a missing key');
  result($m, IS_BINARY ? Memcached::RES_NOTFOUND : Memcached::RES_NOTSTORED, 'replace of a missing key');
  same(true, $m->delete('key'), 'delete');
  same(false, $m->get('key'), 'get after delete');
  same(false, $m->delete('key'), 'second delete');
  result($m, Memcached::RES_NOTFOUND, 'second delete');
};

$cases['types come back with their flags'] = function () {
  $m = client();
  $person = new Person('Ada', 36);
  $person->friends = ['x' => new Person('Charles', 44)];
  // The low four bits of the flags say the type: 0 string, 1 integer, 2 float, 3 boolean, 4 and up a serializer.
  $values = [
    'string' => ['text', 0], 'empty' => ['', 0], 'digits' => ['123', 0],
    'bytes' => [implode('', array_map('chr', range(0, 255))), 0],
    'integer' => [42, 1], 'zero' => [0, 1], 'negative' => [-7, 1],
    'largest' => [PHP_INT_MAX, 1], 'smallest' => [PHP_INT_MIN, 1],
    'float' => [1.5, 2], 'third' => [1 / 3, 2], 'infinite' => [INF, 2], 'tiny' => [5.0e-324, 2],
    'true' => [true, 3], 'false' => [false, 3],
  ];
  foreach ($values as $key => [$value, $flags]) {
    same(true, $m->set($key, $value), "set of $key");
    same($value, $m->get($key), "get of $key");
    result($m, Memcached::RES_SUCCESS, "get of $key");
    same($flags, stored($key)['flags'], "flags of $key");
  }
  $serializers = [Memcached::SERIALIZER_PHP => 4, Memcached::SERIALIZER_JSON_ARRAY => 6];
  if (Memcached::HAVE_IGBINARY) {
    $serializers[Memcached::SERIALIZER_IGBINARY] = 5;
  }
  if (Memcached::HAVE_MSGPACK) {
    $serializers[Memcached::SERIALIZER_MSGPACK] = 7;
  }
  foreach ($serializers as $serializer => $flags) {
    same(true, $m->setOption(Memcached::OPT_SERIALIZER, $serializer), "serializer $serializer");
    $array = ['a' => 1, 'b' => [true, 'two', ['deep' => 'ü']], 'c' => ''];
    same(true, $m->set('array', $array), "set of an array with serializer $serializer");
    same($array, $m->get('array'), "get of an array with serializer $serializer");
    same($flags, stored('array')['flags'], "flags of an array with serializer $serializer");
    same(true, $m->set('null', null), "set of null with serializer $serializer");
    same(null, $m->get('null'), "get of null with serializer $serializer");
    result($m, Memcached::RES_SUCCESS, 'get of null');
    if ($serializer !== Memcached::SERIALIZER_JSON_ARRAY) {
      same(true, $m->set('object', $person), "set of an object with serializer $serializer");
      equal($person, $m->get('object'), "get of an object with serializer $serializer");
    }
  }
};

$cases['user flags'] = function () {
  $m = client();
  foreach ([0, 1, 255, 65535] as $flags) {
    $m->setOption(Memcached::OPT_USER_FLAGS, $flags);
    same(true, $m->set('key', 'value'), 'set with user flags');
    same($flags, $m->get('key', null, Memcached::GET_EXTENDED)['flags'], 'user flags');
    same($flags << 16, stored('key')['flags'], 'user flags on the server');
  }
};

$cases['compression'] = function () {
  $m = client();
  $long = str_repeat('a long story that compresses well; ', 3000);
  foreach ([Memcached::COMPRESSION_FASTLZ => 64, Memcached::COMPRESSION_ZLIB => 32] as $type => $bit) {
    $m->setOption(Memcached::OPT_COMPRESSION_TYPE, $type);
    same(true, $m->set('long', $long), 'set of a long string');
    same($long, $m->get('long'), 'get of a long string');
    $stored = stored('long');
    same(16 + $bit, $stored['flags'], 'flags of a compressed string');
    same(true, $stored['length'] < strlen($long) / 10, 'a compressed string is short');
    $array = array_fill(0, 2000, 'the same words');
    same(true, $m->set('array', $array), 'set of a long array');
    same($array, $m->get('array'), 'get of a long array');
    same(16 + $bit, stored('array')['flags'] & ~15, 'flags of a compressed array');
  }
  $m->setOption(Memcached::OPT_COMPRESSION, false);
  same(true, $m->set('plain', $long), 'set without compression');
  same(['flags' => 0, 'bytes' => $long, 'length' => strlen($long)], stored('plain'), 'stored without compression');
  same($long, $m->get('plain'), 'get without compression');
};

$cases['append and prepend'] = function () {
  $m = client();
  same(true, $m->set('key', 'middle'), 'set');
  [$value, $warning] = warned(fn() => $m->append('key', ' end'));
  same(null, $value, 'append with compression');
  same(true, str_contains($warning, 'compression'), 'the warning of append with compression');
  $m->setOption(Memcached::OPT_COMPRESSION, false);
  same(true, $m->append('key', ' end'), 'append');
  same(true, $m->prepend('key', 'start '), 'prepend');
  same('start middle end', $m->get('key'), 'get after append and prepend');
  same(false, $m->append('absent', 'x'), 'append to a missing key');
  result($m, Memcached::RES_NOTSTORED, 'append to a missing key');
  same(false, $m->prepend('absent', 'x'), 'prepend to a missing key');
  result($m, Memcached::RES_NOTSTORED, 'prepend to a missing key');
  same(false, $m->get('absent'), 'nothing was made');
};

$cases['large values'] = function () {
  $m = client();
  $m->setOption(Memcached::OPT_COMPRESSION, false);
  foreach ([100 * 1024, 512 * 1024, 1024 * 1024 - 500] as $count) {
    $value = noise($count);
    same(true, $m->set('large', $value), "set of $count bytes");
    same(md5($value), md5((string) $m->get('large')), "get of $count bytes");
  }
  same(false, $m->set('large', noise(1024 * 1024 + 1)), 'set of more than the limit');
  result($m, Memcached::RES_E2BIG, 'set of more than the limit');
  same(false, $m->get('large'), 'the old value after a refused set');
  result($m, Memcached::RES_NOTFOUND, 'the old value after a refused set');
  same(true, $m->set('large', 'small'), 'set after a refused set');
  same('small', $m->get('large'), 'get after a refused set');
};

$cases['keys'] = function () {
  $m = client();
  $longest = str_repeat('k', 250);
  same(true, $m->set($longest, 'value'), 'set with the longest key');
  same('value', $m->get($longest), 'get with the longest key');
  same(false, $m->set("{$longest}k", 'value'), 'set with a longer key');
  result($m, Memcached::RES_BAD_KEY_PROVIDED, 'set with a longer key');
  same(false, $m->get(''), 'get of the empty key');
  result($m, Memcached::RES_BAD_KEY_PROVIDED, 'get of the empty key');
  // In the text protocol pecl memcached lets only printable ASCII through.
  $keys = ['user:1:name' => true, 'a/b?c=d&e' => true, 'schlüssel' => IS_BINARY, '鍵' => IS_BINARY];
  foreach ($keys as $key => $may) {
    same($may, $m->set($key, "value of $key"), "set of $key");
    same($may ? "value of $key" : false, $m->get($key), "get of $key");
    result($m, $may ? Memcached::RES_SUCCESS : Memcached::RES_BAD_KEY_PROVIDED, "get of $key");
  }
  if (!IS_BINARY) {
    same(false, $m->get('two words'), 'get of a key with a blank');
    result($m, Memcached::RES_BAD_KEY_PROVIDED, 'get of a key with a blank');
  }
};

$cases['getMulti and setMulti'] = function () {
  $m = client();
  $values = ['a' => 1, 'b' => 'two', 'c' => [3], 'd' => 4.5, 'e' => true, 'f' => ''];
  same(true, $m->setMulti($values), 'setMulti');
  same($values, $m->getMulti(array_keys($values)), 'getMulti');
  result($m, Memcached::RES_SUCCESS, 'getMulti');
  same(['c' => [3], 'a' => 1], $m->getMulti(['c', 'absent', 'a']), 'getMulti with a missing key');
  same(
    ['f' => '', 'absent' => null, 'a' => 1, 'b' => 'two'],
    $m->getMulti(['f', 'absent', 'a', 'b'], Memcached::GET_PRESERVE_ORDER), 'getMulti in order');
  same([], $m->getMulti(['no', 'such']), 'getMulti of missing keys');
  $extended = $m->getMulti(['a', 'b'], Memcached::GET_EXTENDED);
  same(['a', 'b'], array_keys($extended), 'keys of an extended getMulti');
  same([1, 'two'], array_column($extended, 'value'), 'values of an extended getMulti');
  same(2, count(array_unique(array_column($extended, 'cas'))), 'cas uniques of an extended getMulti');
  same(true, $m->cas($extended['a']['cas'], 'a', 10), 'cas with the unique of getMulti');
  same(false, $m->cas($extended['a']['cas'], 'a', 11), 'second cas with the unique of getMulti');
  same(
    ['a' => true, 'b' => true, 'absent' => Memcached::RES_NOTFOUND], $m->deleteMulti(['a', 'b', 'absent']),
    'deleteMulti');
  same(['c' => [3]], $m->getMulti(['a', 'b', 'c']), 'getMulti after deleteMulti');
  same(true, $m->setMulti(['x' => 1, 'y' => 2], time() - 100), 'setMulti that expires at once');
  same([], $m->getMulti(['x', 'y']), 'getMulti of expired keys');
};

$cases['10000 keys in one getMulti'] = function () {
  $m = client();
  $values = [];
  for ($i = 0; $i < 10000; $i++) {
    $values["multi:$i"] = "value $i" . str_repeat('.', $i % 50);
  }
  same(true, $m->setMulti($values), 'setMulti of 10000 keys');
  same($values, $m->getMulti(array_keys($values)), 'getMulti of 10000 keys');
  $asked = [];
  for ($i = 0; $i < 10000; $i++) {
    $asked[] = $i % 2 ? "absent:$i" : "multi:$i";
  }
  $got = $m->getMulti($asked, Memcached::GET_PRESERVE_ORDER);
  same($asked, array_keys($got), 'order of a getMulti with 5000 missing keys');
  same(5000, count(array_filter($got, 'is_null')), 'missing keys of a getMulti');
  same('value 42', rtrim($got['multi:42'], '.'), 'a value of a getMulti with missing keys');
};

$cases['getDelayed'] = function () {
  $m = client();
  $m->setMulti(['a' => 1, 'b' => 'two', 'c' => [3]]);
  same(true, $m->getDelayed(['a', 'absent', 'b', 'c'], true), 'getDelayed with cas');
  $all = $m->fetchAll();
  same(['a', 'b', 'c'], array_column($all, 'key'), 'keys of fetchAll');
  same([1, 'two', [3]], array_column($all, 'value'), 'values of fetchAll');
  same(3, count(array_unique(array_column($all, 'cas'))), 'cas uniques of fetchAll');
  same(true, $m->cas($all[1]['cas'], 'b', 'zwei'), 'cas with the unique of fetchAll');

  same(true, $m->getDelayed(['a', 'b']), 'getDelayed');
  same(['key' => 'a', 'value' => 1], array_slice($m->fetch(), 0, 2), 'first fetch');
  same(['key' => 'b', 'value' => 'zwei'], array_slice($m->fetch(), 0, 2), 'second fetch');
  same(false, $m->fetch(), 'third fetch');

  $seen = [];
  $callback = function (Memcached $m, array $item) use (&$seen) {
    $seen[$item['key']] = $item['value'];
  };
  same(true, $m->getDelayed(['c', 'a', 'absent'], false, $callback), 'getDelayed with a callback');
  same(['c' => [3], 'a' => 1], $seen, 'items of the callback');
  same(1, $m->get('a'), 'get after getDelayed');
};

$cases['cas loop of two clients'] = function () {
  $one = client();
  $two = client();
  same(false, $one->get('counter', null, Memcached::GET_EXTENDED), 'extended get of a missing key');
  result($one, Memcached::RES_NOTFOUND, 'extended get of a missing key');
  same(true, $one->set('counter', 0), 'set');
  $conflicts = 0;
  for ($round = 0; $round < 50; $round++) {
    foreach ([$one, $two] as $m) {
      do {
        $got = $m->get('counter', null, Memcached::GET_EXTENDED);
        if ($m === $one && $round % 5 === 0 && $conflicts <= $round / 5) {
          // Somebody else is faster.
          $theirs = $two->get('counter', null, Memcached::GET_EXTENDED);
          same(true, $two->cas($theirs['cas'], 'counter', $theirs['value']), 'cas of the faster client');
        }
        $done = $m->cas($got['cas'], 'counter', $got['value'] + 1);
        if (!$done) {
          result($m, Memcached::RES_DATA_EXISTS, 'cas after a change');
          $conflicts++;
        }
      } while (!$done);
    }
  }
  same(100, $one->get('counter'), 'the counter after 100 swaps');
  same(10, $conflicts, 'conflicts');
  same(false, $one->cas(12345, 'absent', 'x'), 'cas on a missing key');
  result($one, Memcached::RES_NOTFOUND, 'cas on a missing key');
};

$cases['prefix'] = function () {
  $plain = client();
  $m = client();
  same(true, $m->setOption(Memcached::OPT_PREFIX_KEY, 'app:'), 'OPT_PREFIX_KEY');
  same(true, $m->set('key', 'value'), 'set with a prefix');
  same('value', $m->get('key'), 'get with a prefix');
  same('value', $plain->get('app:key'), 'get of the whole key');
  same(false, $plain->get('key'), 'get without the prefix');
  same(['key' => 'value'], $m->getMulti(['key', 'other']), 'getMulti with a prefix');
  same(true, $m->set('number', 1), 'set of a number with a prefix');
  same(2, $m->increment('number'), 'increment with a prefix');
  same(true, $m->delete('key'), 'delete with a prefix');
  same(false, $plain->get('app:key'), 'get after delete');
};

$cases['buffered writes'] = function () {
  $other = client();
  $m = client();
  same(true, $m->setOption(Memcached::OPT_BUFFER_WRITES, true), 'OPT_BUFFER_WRITES');
  for ($i = 0; $i < 500; $i++) {
    same(true, $m->set("key$i", "value$i"), 'buffered set');
  }
  same(true, $m->delete('key7'), 'buffered delete');
  same('value499', $m->get('key499'), 'get after buffered sets');
  same('value0', $other->get('key0'), 'get of another client');
  same(false, $other->get('key7'), 'get after a buffered delete');
  same(true, $m->set('last', 'value'), 'buffered set');
  same(true, $m->flushBuffers(), 'flushBuffers');
  for ($try = 0; $try < 500 && $other->get('last') !== 'value'; $try++) {
    usleep(2000);
  }
  same('value', $other->get('last'), 'get of another client after flushBuffers');
};

$cases['no reply, no block, no delay'] = function () {
  $other = client();
  foreach ([Memcached::OPT_NOREPLY, Memcached::OPT_NO_BLOCK, Memcached::OPT_TCP_NODELAY] as $option) {
    $m = client();
    same(true, $m->setOption($option, true), "option $option");
    for ($i = 0; $i < 200; $i++) {
      same(true, $m->set("key$i", "value$i of $option"), "set with option $option");
    }
    same("value199 of $option", $m->get('key199'), "get with option $option");
    same("value0 of $option", $other->get('key0'), "get of another client, option $option");
    same(true, $m->delete('key0'), "delete with option $option");
    same(false, $m->get('key0'), "get after delete with option $option");
  }
};

$cases['counters'] = function () {
  $m = client();
  same(false, $m->increment('absent'), 'increment of a missing key');
  result($m, Memcached::RES_NOTFOUND, 'increment of a missing key');
  same(true, $m->set('counter', 5), 'set of an integer');
  same(6, $m->increment('counter'), 'increment');
  same(16, $m->increment('counter', 10), 'increment by 10');
  same(15, $m->decrement('counter'), 'decrement');
  same(0, $m->decrement('counter', 100), 'decrement below zero');
  same(true, $m->set('digits', '41'), 'set of digits');
  same(42, $m->increment('digits'), 'increment of digits');
  same('42', $m->get('digits'), 'digits stay a string');
  same(true, $m->set('counter', 100), 'set of 100');
  same(99, $m->decrement('counter'), 'decrement to a shorter number');
  same(99, $m->get('counter'), 'get of a shorter number');
  same(true, $m->set('text', 'abc'), 'set of text');
  same(false, $m->increment('text'), 'increment of text');
  result($m, IS_BINARY ? Memcached::RES_UNKNOWN_READ_FAILURE : Memcached::RES_CLIENT_ERROR, 'increment of text');
  same('abc', $m->get('text'), 'text after increment');
  [$value, $warning] = warned(fn() => $m->increment('counter', -1));
  same(false, $value, 'increment by a negative number');
  same(true, str_contains($warning, 'negative') || str_contains($warning, 'greater'), "the warning '$warning'");
};

$cases['counters with an initial value'] = function () {
  $m = client();
  if (IS_BINARY) {
    same(10, $m->increment('hits', 1, 10), 'first increment with an initial value');
    same(11, $m->increment('hits', 1, 10), 'second increment with an initial value');
    same(20, $m->decrement('left', 1, 20), 'first decrement with an initial value');
    same(19, $m->decrement('left', 1, 20), 'second decrement with an initial value');
    return;
  }
  [$value, $warning] = warned(fn() => $m->increment('hits', 1, 10));
  same(false, $value, 'increment with an initial value in the text protocol');
  same(true, str_contains($warning, 'binary'), "the warning '$warning'");
  // So users of the text protocol add and count.
  $hit = function () use ($m) {
    $value = $m->increment('hits');
    if ($value === false && $m->getResultCode() === Memcached::RES_NOTFOUND) {
      $value = $m->add('hits', 10) ? 10 : $m->increment('hits');
    }
    return $value;
  };
  same([10, 11, 12], [$hit(), $hit(), $hit()], 'counting with add and increment');
};

$cases['namespaces by increment'] = function () {
  $m = client();
  $version = function () use ($m): int {
    $value = $m->get('ns:users');
    if ($value === false) {
      $m->add('ns:users', 1);
      $value = $m->get('ns:users');
    }
    return $value;
  };
  $key = fn(string $name) => 'users:' . $version() . ":$name";
  same(true, $m->set($key('ada'), 'first'), 'set in a namespace');
  same('first', $m->get($key('ada')), 'get in a namespace');
  same(2, $m->increment('ns:users'), 'a new version of the namespace');
  same(false, $m->get($key('ada')), 'get after the namespace was renewed');
  same(true, $m->set($key('ada'), 'second'), 'set in the new namespace');
  same('second', $m->get($key('ada')), 'get in the new namespace');
  same('first', $m->get('users:1:ada'), 'the old version is only out of sight');
};

$cases['touch and expiration'] = function () {
  $m = client();
  same(true, $m->set('past', 'value', time() - 100), 'set with a time in the past');
  same(false, $m->get('past'), 'get of a key from the past');
  if (!IS_BINARY) {
    // The binary protocol has no sign: there it is a time in 2106.
    same(true, $m->set('negative', 'value', -1), 'set with a negative expiration');
    same(false, $m->get('negative'), 'get of a key with a negative expiration');
  }
  same(true, $m->set('future', 'value', time() + 1000), 'set with a time in the future');
  same('value', $m->get('future'), 'get of a key with a future');
  same(true, $m->set('month', 'value', 2592000), 'set with 30 days');
  same('value', $m->get('month'), 'get of a key with 30 days');
  same(true, $m->set('longer', 'value', 2592001), 'set with 30 days and a second, a time of 1970');
  same(false, $m->get('longer'), 'get of a key of 1970');
  same(false, $m->touch('absent', 100), 'touch of a missing key');
  result($m, Memcached::RES_NOTFOUND, 'touch of a missing key');
  same(true, $m->set('short', 'value', 1), 'set with a second');
  same(true, $m->set('saved', 'value', 1), 'set with a second');
  same(true, $m->touch('saved', 100), 'touch');
  for ($try = 0; $try < 80 && $m->get('short') !== false; $try++) {
    usleep(50000);
  }
  same(false, $m->get('short'), 'get after a second');
  same('value', $m->get('saved'), 'get of a touched key after a second');
  same(true, $m->add('short', 'again'), 'add after a second');
};

$cases['locks by add'] = function () {
  $one = client();
  $two = client();
  same(true, $one->add('lock', 'one', 30), 'the first lock');
  same(false, $two->add('lock', 'two', 30), 'the second lock');
  same('one', $two->get('lock'), 'the holder of the lock');
  same(true, $one->delete('lock'), 'unlock');
  same(true, $two->add('lock', 'two', 30), 'lock after unlock');
};

$cases['read through'] = function () {
  $m = client();
  $calls = 0;
  $load = function (Memcached $m, string $key, mixed &$value, mixed &$expiration) use (&$calls) {
    $calls++;
    $value = "loaded $key";
    $expiration = 100;
    return true;
  };
  same('loaded page', $m->get('page', $load), 'the first get');
  same('loaded page', $m->get('page', $load), 'the second get');
  same(1, $calls, 'loads');
  same('loaded page', client()->get('page'), 'get of another client');
};

$cases['stats, version, keys, flush'] = function () {
  $m = client();
  $name = '127.0.0.1:' . PORTS[0];
  $values = [];
  for ($i = 0; $i < 50; $i++) {
    $values["key$i"] = str_repeat('x', $i * 40);
  }
  same(true, $m->setMulti($values), 'setMulti');
  $stats = $m->getStats();
  same([$name], array_keys($stats), 'servers of getStats');
  foreach (['pid', 'uptime', 'time', 'curr_items', 'total_items', 'bytes', 'curr_connections', 'total_connections',
    'cmd_get', 'cmd_set', 'get_hits', 'get_misses', 'evictions', 'limit_maxbytes', 'threads', 'version',
    'rusage_user', 'rusage_system', 'pointer_size', 'bytes_read', 'bytes_written'] as $key) {
    same(true, array_key_exists($key, $stats[$name]), "getStats has $key");
  }
  // Flushed items may be counted until somebody takes them away, so the exact number is not known here.
  same(true, is_int($stats[$name]['curr_items']) && $stats[$name]['curr_items'] >= 50, 'curr_items');
  same(67108864, $stats[$name]['limit_maxbytes'], 'limit_maxbytes');
  same(true, is_float($stats[$name]['rusage_user']), 'rusage_user is a number with a point');
  same(PORTS[0], $m->getStats('settings')[$name]['tcpport'], 'tcpport of the settings');
  same(true, count($m->getStats('items')[$name]) > 0, 'getStats of items');
  same(true, $m->getStats('slabs')[$name]['active_slabs'] > 0, 'getStats of slabs');
  same(1, preg_match('/^\d+\.\d+\.\d+$/', $m->getVersion()[$name]), 'getVersion gives three numbers');
  allKeys($m, array_keys($values));
  same(true, $m->flush(), 'flush');
  same([], $m->getMulti(array_keys($values)), 'getMulti after flush');
  same(true, $m->set('key0', 'again'), 'set after flush');
  same('again', $m->get('key0'), 'get after flush');
};

$cases['persistent connections'] = function () {
  $first = client(false, 'users-test');
  same(true, $first->isPersistent(), 'isPersistent');
  same(true, $first->isPristine(), 'isPristine of the first');
  same(true, $first->set('key', 'value'), 'set');
  $before = $first->getStats()['127.0.0.1:' . PORTS[0]]['total_connections'];
  unset($first);
  for ($i = 0; $i < 20; $i++) {
    $again = client(false, 'users-test');
    same(1, count($again->getServerList()), 'servers of a persistent client');
    same(false, $again->isPristine(), 'isPristine of a later one');
    same('value', $again->get('key'), 'get of a persistent client');
    unset($again);
  }
  $last = client(false, 'users-test');
  same($before, $last->getStats()['127.0.0.1:' . PORTS[0]]['total_connections'], 'connections');
  same(true, $last->quit(), 'quit');
  same('value', $last->get('key'), 'get after quit');
};

$cases['sessions'] = function () {
  ini_set('session.use_cookies', '0');
  ini_set('session.use_strict_mode', '1');
  ini_set('session.cache_limiter', '');
  ini_set('session.save_handler', 'memcached');
  ini_set('memcached.sess_binary_protocol', IS_BINARY ? '1' : '0');
  ini_set('session.save_path', '127.0.0.1:' . PORTS[0]);
  same(true, session_start(), 'session_start');
  $id = session_id();
  $_SESSION = ['user' => 'Ada', 'basket' => [1, 2, 3]];
  same('1', stored("memc.sess.key.lock.$id")['bytes'] ?? null, 'the lock of an open session');
  same(true, session_write_close(), 'session_write_close');
  same(null, stored("memc.sess.key.lock.$id"), 'the lock of a closed session');
  same(true, str_contains(stored("memc.sess.key.$id")['bytes'] ?? '', 'Ada'), 'the stored session');
  $_SESSION = [];
  session_id($id);
  same(true, session_start(), 'second session_start');
  same($id, session_id(), 'the same session');
  same(['user' => 'Ada', 'basket' => [1, 2, 3]], $_SESSION, 'the session came back');
  same(true, session_regenerate_id(true), 'session_regenerate_id');
  $new = session_id();
  same(true, $new !== $id, 'a new id');
  same(true, session_write_close(), 'second session_write_close');
  same(null, stored("memc.sess.key.$id"), 'the session under the old id');
  session_id($new);
  same(true, session_start(), 'third session_start');
  same('Ada', $_SESSION['user'] ?? null, 'the session under the new id');
  same(true, session_destroy(), 'session_destroy');
  same(null, stored("memc.sess.key.$new"), 'the destroyed session');
};

// MARK: three servers

$poolCases = [];

$poolCases['pool'] = function () {
  $m = client(true);
  $before = array_column($m->getStats(), 'cmd_set');
  $values = [];
  for ($i = 0; $i < 600; $i++) {
    $values["pool:$i"] = "value $i";
  }
  same(true, $m->setMulti($values), 'setMulti on the pool');
  equal($values, $m->getMulti(array_keys($values)), 'getMulti on the pool');
  same($values, $m->getMulti(array_keys($values), Memcached::GET_PRESERVE_ORDER), 'getMulti in order on the pool');
  $stats = $m->getStats();
  same(array_map(fn($port) => "127.0.0.1:$port", PORTS), array_keys($stats), 'servers of getStats');
  $sets = array_map(fn($new, $old) => $new - $old, array_column($stats, 'cmd_set'), $before);
  same(600, array_sum($sets), 'sets on all servers');
  same(true, min($sets) > 60, 'the least sets on a server');
  same(count(PORTS), count($m->getVersion()), 'versions');
  allKeys($m, array_keys($values));
  $second = client(true);
  same($values, $second->getMulti(array_keys($values), Memcached::GET_PRESERVE_ORDER), 'getMulti of a second client');
  foreach (['pool:1', 'pool:2', 'pool:3'] as $key) {
    same($values[$key], stored($key, $m->getServerByKey($key)['port'])['bytes'] ?? null, "the server of $key");
  }
  same(true, $m->flush(), 'flush of the pool');
  same([], $m->getMulti(array_keys($values)), 'getMulti after flush');
};

$poolCases['keys by group'] = function () {
  $m = client(true);
  foreach (['group-a', 'group-b', 'group-c', 'group-d'] as $group) {
    $port = $m->getServerByKey($group)['port'];
    same(true, in_array($port, PORTS, true), "the server of $group");
    same(true, $m->setByKey($group, "$group:key", 'value'), 'setByKey');
    same('value', $m->getByKey($group, "$group:key"), 'getByKey');
    foreach (PORTS as $other) {
      same($other === $port ? 'value' : null, stored("$group:key", $other)['bytes'] ?? null, "$group:key on $other");
    }
    same(false, $m->addByKey($group, "$group:key", 'x'), 'addByKey on an existing key');
    same(true, $m->replaceByKey($group, "$group:key", 'new'), 'replaceByKey');
    same(true, $m->touchByKey($group, "$group:key", 100), 'touchByKey');
    same(true, $m->setMultiByKey($group, ["$group:1" => 1, "$group:2" => 2]), 'setMultiByKey');
    same(
      ["$group:1" => 1, "$group:2" => 2], $m->getMultiByKey($group, ["$group:1", "$group:2", "$group:3"]),
      'getMultiByKey');
    same(3, $m->incrementByKey($group, "$group:2"), 'incrementByKey');
    same(1, $m->decrementByKey($group, "$group:2", 2), 'decrementByKey');
    $got = $m->getByKey($group, "$group:key", null, Memcached::GET_EXTENDED);
    same(true, $m->casByKey($got['cas'], $group, "$group:key", 'swapped'), 'casByKey');
    same(false, $m->casByKey($got['cas'], $group, "$group:key", 'again'), 'second casByKey');
    result($m, Memcached::RES_DATA_EXISTS, 'second casByKey');
    same(true, $m->getDelayedByKey($group, ["$group:key", "$group:1"]), 'getDelayedByKey');
    same(['swapped', 1], array_column($m->fetchAll(), 'value'), 'fetchAll after getDelayedByKey');
    $m->setOption(Memcached::OPT_COMPRESSION, false);
    same(true, $m->appendByKey($group, "$group:key", '!'), 'appendByKey');
    same(true, $m->prependByKey($group, "$group:key", '?'), 'prependByKey');
    $m->setOption(Memcached::OPT_COMPRESSION, true);
    same('?swapped!', stored("$group:key", $port)['bytes'] ?? null, 'the value on its server');
    same(
      ["$group:1" => true, "$group:none" => Memcached::RES_NOTFOUND],
      $m->deleteMultiByKey($group, ["$group:1", "$group:none"]), 'deleteMultiByKey');
    same(true, $m->deleteByKey($group, "$group:key"), 'deleteByKey');
    same(null, stored("$group:key", $port), 'the key after deleteByKey');
  }
};

// MARK: run

if (count(PORTS) > 1) {
  $cases += $poolCases;
}
foreach ($cases as $name => $case) {
  try {
    foreach (PORTS as $port) {
      $server = new Memcached();
      $server->addServer('127.0.0.1', $port);
      same(true, $server->flush(), "flush of port $port before the case");
      $server->quit();
    }
    $case();
  } catch (Throwable $error) {
    $where = $error->getTrace()[0]['line'] ?? $error->getLine();
    foreach ($error->getTrace() as $frame) {
      if (($frame['file'] ?? '') === __FILE__ && !str_starts_with($frame['function'], '{')) {
        $where = $frame['line'];
        break;
      }
    }
    fwrite(STDERR, "FAILED: $name: {$error->getMessage()} (line $where)\n");
    echo "$passed passed, 1 failed\n";
    exit(1);
  }
}
echo "$passed passed, 0 failed\n";
