<?php
// pecl memcached's setSaslAuthData: the right password gets in, wrong ones and none do not. Usage: php login.php binary
// ADDRESS; prints TAP. The server knows the user `web` with the password `correct-horse`.

declare(strict_types=1);

[, , $address] = $argv;
$count = 0;
$failed = 0;

function same(string $name, mixed $actual, mixed $expected): void
{
  global $count, $failed;
  $count += 1;
  $isSame = $actual === $expected;
  $failed += $isSame ? 0 : 1;
  $brief = fn ($value) => substr(var_export($value, true), 0, 200);
  echo $isSame ? "ok - $name\n" : "not ok - $name: expected {$brief($expected)}, got {$brief($actual)}\n";
}

function client(?string $user, ?string $password): Memcached
{
  global $address;
  $client = new Memcached();
  $client->setOption(Memcached::OPT_BINARY_PROTOCOL, true);
  if ($user !== null) {
    $client->setSaslAuthData($user, $password);
  }
  if ($address[0] === '/') {
    $client->addServer($address, 0);
  } else {
    [$host, $port] = explode(':', $address);
    $client->addServer($host, (int) $port);
  }
  return $client;
}

echo '# version ', phpversion('memcached'), "\n";
same('SASL is built in', Memcached::HAVE_SASL, true);
$right = client('web', 'correct-horse');
same('set', $right->set('login', 'v'), true);
same('get', $right->get('login'), 'v');
same('getMulti', $right->getMulti(['login', 'login-none']), ['login' => 'v']);
same('increment', [$right->increment('login-count', 1, 5), $right->increment('login-count')], [5, 6]);
same('statistics', count($right->getStats()), 1);
foreach (
  [
    'a wrong password' => ['web', 'correct-hors'], 'a longer password' => ['web', 'correct-horses'],
    'an empty password' => ['web', ''], 'another user' => ['we', 'correct-horse'], 'nobody' => [null, null],
  ] as $name => [$user, $password]
) {
  $wrong = client($user, $password);
  same("set with $name", @$wrong->set('login', 'x'), false);
  same("get with $name", @$wrong->get('login'), false);
}
same('nothing was changed', $right->get('login'), 'v');
same('the right one gets in', client('web', 'correct-horse')->get('login'), 'v');
echo "1..$count\n";
exit($failed ? 1 : 0);
