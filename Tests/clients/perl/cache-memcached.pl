# Cache::Memcached, LiveJournal's own client, the first there was: text protocol, statistics in all forms, raw commands.
# Usage: perl cache-memcached.pl text ADDRESS

use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Cache::Memcached;
use Checks;

sub client { return Cache::Memcached->new({ servers => [$ADDRESS], connect_timeout => 10, select_timeout => 10, @_ }) }

print "# version $Cache::Memcached::VERSION\n";

case storing => sub {
    my $c = client();
    truth('set', $c->set('storing', 'one'));
    same('get', $c->get('storing'), 'one');
    same('get of a missing key', $c->get('storing-none'), undef);
    truth('add of a present key', !$c->add('storing', 'x'));
    truth('add of a missing key', $c->add('storing-new', 'x'));
    truth('replace of a present key', $c->replace('storing-new', 'y'));
    truth('replace of a missing key', !$c->replace('storing-none', 'y'));
    truth('append', $c->append('storing', ' end'));
    truth('prepend', $c->prepend('storing', 'begin '));
    same('after append and prepend', $c->get('storing'), 'begin one end');
    truth('append to a missing key', !$c->append('storing-none', 'x'));
    truth('delete', $c->delete('storing'));
    truth('delete again', !$c->delete('storing'));
    truth('remove', $c->remove('storing-new'));
    $c->set('storing', $BYTES);
    same('bytes of every kind', $c->get('storing'), $BYTES);
    $c->set('storing', { list => [1, { a => undef }] });
    same('a structure', $c->get('storing'), { list => [1, { a => undef }] });
    $c->set('storing', '');
    same('an empty value', $c->get('storing'), '');
    my $pressed = client(compress_threshold => 100);
    $pressed->set('storing', 'a' x 100_000);
    same('compressed', $pressed->get('storing'), 'a' x 100_000);
    my $spaced = client(namespace => 'space:');
    $spaced->set('a', 'in it');
    same('a namespace', [$spaced->get('a'), $c->get('space:a')], ['in it', 'in it']);
};

case many => sub {
    my $c = client();
    my @keys = map { "many-$_" } 0 .. 299;
    $c->set($_, "v$_") for @keys;
    same('get_multi', $c->get_multi(@keys, 'many-none'), { map { $_ => "v$_" } @keys });
    same('get_multi with hashes of its own', $c->get_multi([7, 'many-1'], [9, 'many-2']),
        { 'many-1' => 'vmany-1', 'many-2' => 'vmany-2' });
    skip('cas, touch, gat: Cache::Memcached has none');
};

case counting => sub {
    my $c = client();
    $c->set('counting', 10);
    same('incr', $c->incr('counting'), 11);
    same('incr by 5', $c->incr('counting', 5), 16);
    same('decr by 6', $c->decr('counting', 6), 10);
    same('decr below zero', $c->decr('counting', 100), 0);
    truth('incr of a missing key', !$c->incr('counting-none'));
    $c->set('counting', '18446744073709551615');
    same('incr over the end', $c->incr('counting', 2), 1);
};

case expiring => sub {
    my $c = client();
    $c->set('expiring', 'v', 2);
    $c->set('expiring-kept', 'v', 100);
    same('both before', $c->get_multi('expiring', 'expiring-kept'), { expiring => 'v', 'expiring-kept' => 'v' });
    truth('one is gone after', wait_until(sub { !defined $c->get('expiring') }));
    same('the other is not', $c->get('expiring-kept'), 'v');
    truth('add after expiry', $c->add('expiring', 'again'));
};

case sizes => sub {
    my $c = client();
    truth('set of 512,000 bytes', $c->set('sizes', $LARGE));
    same('get of 512,000 bytes', $c->get('sizes'), $LARGE);
    truth('set of 2 MB is refused', !$c->set('sizes', $TOO_LARGE));
    same('no stale value after it', client()->get('sizes'), undef);
    my $key = 'k' x 250;
    $c = client();
    same('a key of 250', $c->set($key, 'v') && $c->get($key), 'v');
    same("a key of $_", $c->set($_, 'v') && $c->get($_), 'v') for "schl\xc3\xbcssel", 'k,;:=/?[]{}|', 'get', 'noreply';
};

case quiet => sub {
    my $c = client();
    # In a void context this client sends noreply.
    $c->set("quiet-$_", $_) for 0 .. 199;
    $c->add('quiet-0', 'no');
    $c->append('quiet-1', '!');
    $c->incr('quiet-2', 10);
    $c->decr('quiet-3', 10);
    $c->delete('quiet-4');
    same('what they did', $c->get_multi(map { "quiet-$_" } 0 .. 5, 199),
        { 'quiet-0' => 0, 'quiet-1' => '1!', 'quiet-2' => 12, 'quiet-3' => 0, 'quiet-5' => 5, 'quiet-199' => 199 });
};

case reports => sub {
    my $c = client();
    my $misc = sub { $c->stats('misc')->{hosts}{$ADDRESS}{misc} };
    my $before = $misc->();
    $c->set('reports', 'v');
    $c->get_multi('reports', 'reports-none');
    my $after = $misc->();
    same('what is counted', { map { $_ => $after->{$_} - $before->{$_} } qw(cmd_get cmd_set get_hits get_misses) },
        { cmd_get => 2, cmd_set => 1, get_hits => 1, get_misses => 1 });
    same('limit_maxbytes', $after->{limit_maxbytes}, 67_108_864);
    my $stats = $c->stats(['misc', 'items', 'slabs', 'settings', 'self']);
    my $host = $stats->{hosts}{$ADDRESS};
    truth('total', $stats->{total}{cmd_set} >= 1);
    truth('items', $host->{items} =~ /^STAT items:\d+:number \d+\r?$/m);
    truth('slabs', $host->{slabs} =~ /^STAT active_slabs \d+\r?$/m);
    truth('settings', $host->{settings} =~ /^STAT item_size_max 1048576\r?$/m);
    truth('default statistics', exists $c->stats->{hosts}{$ADDRESS}{misc}{pid});
    my ($version) = $c->run_command($c->get_sock('reports'), "version\r\n");
    same('version', $version, "VERSION $after->{version}\r\n");
};

case flushing => sub {
    my $c = client();
    $c->set('flushing', 'v');
    truth('flush_all', $c->flush_all);
    same('get after flush_all', $c->get('flushing'), undef);
    same('set after flush_all', $c->set('flushing', 'w') && $c->get('flushing'), 'w');
    $c->disconnect_all;
    same('get after disconnect_all', $c->get('flushing'), 'w');
};

finish();
