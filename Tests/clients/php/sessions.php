<?php
// PHP sessions in memcached by pecl memcached's session handler, with locks: concurrent requests of one session, locks
// that are held, refused and run out, values that survive, lifetimes, lazy writes, strict ids, destroy and gc.
// Usage: php sessions.php text|binary ADDRESS    ADDRESS is HOST:PORT or the path of a unix socket; prints TAP.
//        php sessions.php text|binary ADDRESS ACTION ID [SETTING=VALUE ...]    one request, for the script itself
// The requests are processes of their own, as with php-fpm. users.php has everything else of pecl memcached.

declare(strict_types=1);

[, $protocol, $address] = $argv;
define('PREFIX', 'memc.sess.key.');
define('IS_UNIX', $address[0] === '/');
define('SETTINGS', [
  'session.save_handler' => 'memcached', 'session.save_path' => IS_UNIX ? "$address:0" : $address,
  'session.use_cookies' => '0', 'session.cache_limiter' => '', 'session.use_strict_mode' => '0',
  'session.gc_probability' => '0', 'session.gc_maxlifetime' => '100', 'session.lazy_write' => '1',
  'memcached.sess_binary_protocol' => $protocol === 'binary' ? '1' : '0', 'memcached.sess_locking' => '1',
  'memcached.sess_lock_wait_min' => '10', 'memcached.sess_lock_wait_max' => '20',
  'memcached.sess_lock_retries' => '500', 'memcached.sess_lock_expire' => '0',
]);

function configure(array $changes = []): void
{
  foreach ($changes + SETTINGS as $name => $value) {
    if (ini_set($name, $value) === false) {
      throw new Exception("$name cannot be $value");
    }
  }
}

// MARK: one request

if (isset($argv[3])) {
  [, , , $action, $id] = $argv;
  $changes = [];
  foreach (array_slice($argv, 5) as $setting) {
    [$name, $value] = explode('=', $setting, 2);
    $changes[$name] = $value;
  }
  configure($changes);
  session_id($id);
  if (!@session_start()) {
    fwrite(STDOUT, "refused\n");
    exit(3);
  }
  if ($action === 'hold') {
    fwrite(STDOUT, "held\n");
    fgets(STDIN);
    $_SESSION['count'] = 100;
  } elseif ($action === 'count') {
    $count = $_SESSION['count'] ?? 0;
    usleep(2000);
    $_SESSION['count'] = $count + 1;
  }
  $read = json_encode($_SESSION);
  session_write_close();
  fwrite(STDOUT, "$read\n");
  exit(0);
}

// MARK: checks

$checks = 0;
$failed = 0;

function report(bool $isRight, string $text): void
{
  global $checks, $failed;
  $checks++;
  $failed += $isRight ? 0 : 1;
  fwrite(STDOUT, ($isRight ? 'ok - ' : 'not ok - ') . $text . "\n");
}

function same(mixed $expected, mixed $actual, string $what): void
{
  $brief = fn($value) => substr(str_replace("\n", ' ', var_export($value, true)), 0, 200);
  $isSame = $expected === $actual;
  report($isSame, $isSame ? $what : "$what: expected {$brief($expected)}, got {$brief($actual)}");
}

/** The value of a key as it is on the server, seen by a client of its own; false when there is none. */
function stored(string $key): mixed
{
  global $address;
  $client = new Memcached();
  IS_UNIX ? $client->addServer($address, 0) : $client->addServer(strtok($address, ':'), (int) strtok(':'));
  $client->setOption(Memcached::OPT_BINARY_PROTOCOL, ini_get('memcached.sess_binary_protocol') === '1');
  return $client->get($key);
}

function begin(string $id, array $changes = []): bool
{
  configure($changes);
  $_SESSION = [];
  session_id($id);
  return @session_start();
}

final class Request
{
  private $process;
  private array $pipes = [];

  public function __construct(string $action, string $id, array $settings = [])
  {
    global $argv;
    $command = [PHP_BINARY, __FILE__, $argv[1], $argv[2], $action, $id, ...$settings];
    $this->process = proc_open($command, [['pipe', 'r'], ['pipe', 'w'], STDERR], $this->pipes);
  }

  /** The next line that it says, or null when it says none in this time. */
  public function line(float $seconds): ?string
  {
    $readers = [$this->pipes[1]];
    $none = null;
    $count = stream_select($readers, $none, $none, (int) $seconds, (int) (fmod($seconds, 1) * 1e6));
    return $count === 1 ? rtrim((string) fgets($this->pipes[1])) : null;
  }

  public function go(): void
  {
    fwrite($this->pipes[0], "\n");
  }

  public function end(): int
  {
    fclose($this->pipes[0]);
    return proc_close($this->process);
  }
}

function request(string $action, string $id, array $settings = []): string
{
  $request = new Request($action, $id, $settings);
  $line = $request->line(20);
  $request->end();
  return (string) $line;
}

$cases = [];

$cases['a session'] = function () {
  same(true, begin('life'), 'session_start');
  same([], $_SESSION, 'a new session is empty');
  same('1', (string) stored(PREFIX . 'lock.life'), 'the lock of an open session');
  $_SESSION = ['user' => 'Ada', 'basket' => [1, 2.5, null, true], 'bytes' => "\0\r\nEND\r\n\xff"];
  same(true, session_write_close(), 'session_write_close');
  same(false, stored(PREFIX . 'lock.life'), 'the lock of a closed session');
  same(true, str_contains((string) stored(PREFIX . 'life'), 'Ada'), 'the stored session');
  same(true, begin('life'), 'session_start again');
  same(['user' => 'Ada', 'basket' => [1, 2.5, null, true], 'bytes' => "\0\r\nEND\r\n\xff"], $_SESSION, 'it came back');
  same(true, session_abort(), 'session_abort');
  same(false, stored(PREFIX . 'lock.life'), 'the lock after session_abort');
  same(true, begin('life') && session_regenerate_id(true), 'session_regenerate_id');
  $new = session_id();
  same(true, session_write_close(), 'session_write_close of the new id');
  same([false, false], [stored(PREFIX . 'life'), stored(PREFIX . 'lock.life')], 'nothing is left of the old id');
  same(true, begin($new) && $_SESSION['user'] === 'Ada', 'the session under the new id');
  same(true, session_destroy(), 'session_destroy');
  same([false, false], [stored(PREFIX . $new), stored(PREFIX . "lock.$new")], 'nothing is left after it');
  same('[]', request('read', $new), 'another request finds it empty');
};

$cases['other processes'] = function () {
  same('{"count":1}', request('count', 'shared'), 'the first request');
  same('{"count":2}', request('count', 'shared'), 'the second request');
  same(true, begin('shared') && $_SESSION === ['count' => 2], 'this process sees it');
  session_write_close();
  same(true, begin('shared', ['memcached.sess_prefix' => 'other.']) && $_SESSION === [], 'another prefix');
  session_destroy();
  configure(['memcached.sess_prefix' => PREFIX]);
  same('{"count":2}', request('read', 'shared'), 'it is still there');
};

$cases['a lock that is held'] = function () {
  $holder = new Request('hold', 'held');
  same('held', $holder->line(20), 'the first request has the session');
  $waiter = new Request('count', 'held');
  same(null, $waiter->line(0.4), 'the second one waits');
  same('refused', request('read', 'held', ['memcached.sess_lock_retries=3']), 'the third one gives up');
  same('[]', request('read', 'held', ['memcached.sess_locking=0']), 'one without locking reads');
  $holder->go();
  same('{"count":100}', $holder->line(20), 'the first one ends');
  same('{"count":101}', $waiter->line(20), 'the second one has what the first one wrote');
  same([0, 0], [$holder->end(), $waiter->end()], 'both end well');
  same(false, stored(PREFIX . 'lock.held'), 'no lock is left');
};

$cases['many requests at once'] = function () {
  for ($round = 0; $round < 4; $round++) {
    $requests = array_map(fn() => new Request('count', 'busy'), range(1, 4));
    $counts = array_map(fn($request) => $request->line(30), $requests);
    array_map(fn($request) => $request->end(), $requests);
    sort($counts, SORT_NATURAL);
    $expected = array_map(fn($n) => '{"count":' . ($round * 4 + $n) . '}', range(1, 4));
    same($expected, $counts, "round $round: every request counted by itself");
  }
};

$cases['times'] = function () {
  // All that takes time waits together.
  $holder = new Request('hold', 'crashed', ['memcached.sess_lock_expire=2']);
  same('held', $holder->line(20), 'a request has the session for two seconds');
  same('refused', request('read', 'crashed', ['memcached.sess_lock_retries=1']), 'nobody else has it');
  foreach (['short', 'read', 'written'] as $id) {
    begin($id, ['session.gc_maxlifetime' => '2']);
    $_SESSION['name'] = $id;
    session_write_close();
  }
  same(true, begin('read') && $_SESSION['name'] === 'read', 'a session that is only read');
  same(true, session_write_close(), 'has its lifetime renewed');
  begin('written');
  $_SESSION['more'] = 1;
  same(true, session_write_close(), 'and one that is written');
  for ($try = 0; $try < 100 && stored(PREFIX . 'short') !== false; $try++) {
    usleep(50000);
  }
  same(false, stored(PREFIX . 'short'), 'a session after its lifetime');
  same(true, begin('short') && $_SESSION === [], 'is empty');
  session_write_close();
  same(true, begin('read') && $_SESSION === ['name' => 'read'], 'the session that was read is there');
  session_write_close();
  same(true, begin('written') && $_SESSION === ['name' => 'written', 'more' => 1], 'and the one that was written');
  same(false, session_gc(), 'gc is left to the server');
  session_write_close();
  same(true, is_string(stored(PREFIX . 'written')), 'and takes nothing away');
  same('[]', request('read', 'crashed'), 'the lock ran out');
  $holder->go();
  $holder->line(20);
  $holder->end();
};

$cases['ways to start'] = function () {
  same(true, begin('ways'), 'session_start');
  $_SESSION['a'] = 1;
  session_write_close();
  configure();
  session_id('ways');
  same(true, session_start(['read_and_close' => true]), 'read_and_close');
  same([['a' => 1], false], [$_SESSION, stored(PREFIX . 'lock.ways')], 'has the values and no lock');
  same(true, begin('unknown', ['session.use_strict_mode' => '1']), 'strict mode with an unknown id');
  same(true, session_id() !== 'unknown', 'gives another id');
  session_destroy();
  same(true, begin('ways', ['session.use_strict_mode' => '1']), 'strict mode with a known id');
  same(['ways', ['a' => 1]], [session_id(), $_SESSION], 'keeps it');
  session_write_close();
  foreach (['a persistent connection', 'is used again'] as $what) {
    same(true, begin('ways', ['memcached.sess_persistent' => '1']) && $_SESSION === ['a' => 1], $what);
    session_write_close();
  }
  configure(['memcached.sess_persistent' => '0']);
};

$cases['sizes'] = function () {
  $large = random_bytes(500000);
  begin('large');
  $_SESSION['large'] = $large;
  same(true, session_write_close(), 'a session of 500 KB');
  same(true, begin('large') && $_SESSION['large'] === $large, 'comes back');
  $_SESSION['large'] = random_bytes(2 << 20);
  @session_write_close();
  same(true, str_contains(error_get_last()['message'] ?? '', 'Failed to write'), 'one of 2 MB is refused');
  same(false, stored(PREFIX . 'lock.large'), 'no lock is left after it');
  same(true, begin('large'), 'the session can be started again');
  session_destroy();
};

fwrite(STDOUT, '# version ' . phpversion('memcached') . ', PHP ' . PHP_VERSION . "\n");
foreach ($cases as $name => $case) {
  try {
    $case();
  } catch (Throwable $error) {
    report(false, "$name: " . $error->getMessage() . ' (line ' . $error->getLine() . ')');
  }
  if (session_status() === PHP_SESSION_ACTIVE) {
    session_abort();
  }
}
fwrite(STDOUT, "1..$checks\n");
exit($failed > 0 ? 1 : 0);
