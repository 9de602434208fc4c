# Cache::Memcached::Fast, the Perl client in C: text protocol, multi versions of every command, get and touch, CAS,
# nowait, compression and serialisation by flags. Usage: perl cache-memcached-fast.pl text ADDRESS

use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Cache::Memcached::Fast;
use Checks;

sub client {
    return Cache::Memcached::Fast->new({
        servers => [{ address => $ADDRESS }], connect_timeout => 10, io_timeout => 10, max_size => 8 << 20, @_ });
}

print "# version $Cache::Memcached::Fast::VERSION\n";

case storing => sub {
    my $c = client();
    truth('set', $c->set('storing', 'one'));
    same('get', $c->get('storing'), 'one');
    same('get of a missing key', $c->get('storing-none'), undef);
    falsehood('add of a present key', $c->add('storing', 'x'));
    truth('add of a missing key', $c->add('storing-new', 'x'));
    truth('replace of a present key', $c->replace('storing-new', 'y'));
    falsehood('replace of a missing key', $c->replace('storing-none', 'y'));
    truth('append', $c->append('storing', ' end'));
    truth('prepend', $c->prepend('storing', 'begin '));
    same('after append and prepend', $c->get('storing'), 'begin one end');
    falsehood('append to a missing key', $c->append('storing-none', 'x'));
    falsehood('prepend to a missing key', $c->prepend('storing-none', 'x'));
    truth('delete', $c->delete('storing'));
    falsehood('delete again', $c->delete('storing'));
    same('bytes of every kind', $c->set('storing', $BYTES) && $c->get('storing'), $BYTES);
    same('an empty value', $c->set('storing', '') && $c->get('storing'), '');
    $c->set('storing', { list => [1, { a => undef }] });
    same('a structure', $c->get('storing'), { list => [1, { a => undef }] });
    my $text = client(utf8 => 1);
    $text->set('storing', "\x{17e}lu\x{165} \x{2603}");
    same('text', $text->get('storing'), "\x{17e}lu\x{165} \x{2603}");
    my $pressed = client(compress_threshold => 100);
    same('compressed', $pressed->set('storing', 'a' x 100_000) && $pressed->get('storing'), 'a' x 100_000);
};

case many => sub {
    my $c = client();
    my @keys = map { "many-$_" } 0 .. 299;
    same('set_multi', [$c->set_multi(map { [$_, "v$_"] } @keys)], [(1) x 300]);
    same('get_multi', $c->get_multi(@keys, 'many-none'), { map { $_ => "v$_" } @keys });
    same('add_multi', [map { $_ ? 1 : 0 } $c->add_multi(['many-0', 'x'], ['many-a', 'x'])], [0, 1]);
    same('replace_multi', [map { $_ ? 1 : 0 } $c->replace_multi(['many-0', 'x'], ['many-none', 'x'])], [1, 0]);
    same('append_multi', [map { $_ ? 1 : 0 } $c->append_multi(['many-0', '!'], ['many-none', '!'])], [1, 0]);
    same('prepend_multi', [map { $_ ? 1 : 0 } $c->prepend_multi(['many-0', '?'], ['many-none', '?'])], [1, 0]);
    same('after them', $c->get_multi('many-0', 'many-a'), { 'many-0' => '?x!', 'many-a' => 'x' });
    my $pairs = $c->gets_multi('many-1', 'many-2', 'many-none');
    same('gets_multi', { map { $_ => $pairs->{$_}[1] } keys %$pairs },
        { 'many-1' => 'vmany-1', 'many-2' => 'vmany-2' });
    my @done = $c->cas_multi(['many-1', $pairs->{'many-1'}[0], 'new'], ['many-2', $pairs->{'many-2'}[0] + 1, 'new']);
    same('cas_multi', [map { $_ ? 1 : 0 } @done], [1, 0]);
    same('delete_multi', [map { $_ ? 1 : 0 } $c->delete_multi('many-1', 'many-none')], [1, 0]);
    $c->set_multi(['many-n', 5], ['many-m', 50]);
    same('incr_multi', [$c->incr_multi(['many-n', 3], 'many-m')], [8, 51]);
    same('decr_multi', [map { $_ + 0 } $c->decr_multi(['many-n', 100], 'many-m')], [0, 50]);
    my $spaced = client(namespace => 'space:');
    $spaced->set('a', 'in it');
    same('a namespace', [$spaced->get('a'), $c->get('space:a')], ['in it', 'in it']);
};

case swapping => sub {
    my $c = client();
    $c->set('swapping', 'one');
    my ($unique, $value) = @{ $c->gets('swapping') };
    same('gets', $value, 'one');
    truth('cas', $c->cas('swapping', $unique, 'two'));
    falsehood('cas with an old unique', $c->cas('swapping', $unique, 'three'));
    same('after cas', $c->get('swapping'), 'two');
    falsehood('cas of a missing key', $c->cas('swapping-none', $unique, 'x'));
    same('gets of a missing key', $c->gets('swapping-none'), undef);
};

case counting => sub {
    my $c = client();
    $c->set('counting', 10);
    same('incr', $c->incr('counting'), 11);
    same('incr by 5', $c->incr('counting', 5), 16);
    same('decr by 6', $c->decr('counting', 6), 10);
    same('decr below zero', $c->decr('counting', 100) + 0, 0);
    falsehood('incr of a missing key', $c->incr('counting-none'));
    falsehood('decr of a missing key', $c->decr('counting-none'));
    $c->set('counting', '18446744073709551615');
    same('incr over the end', $c->incr('counting', 2), 1);
    $c->set('counting', 'word');
    same('incr of a word', $c->incr('counting'), undef);
    same('the word after it', client()->get('counting'), 'word');
};

case expiring => sub {
    my $c = client();
    my @names = map { "expiring-$_" } qw(short saved gat gats many cut);
    $c->set($_, 'v', 2) for @names[0 .. 4];
    $c->set('expiring-cut', 'v');
    truth('touch to be longer', $c->touch('expiring-saved', 100));
    truth('touch to be shorter', $c->touch('expiring-cut', 2));
    falsehood('touch of a missing key', $c->touch('expiring-none', 100));
    same('gat', $c->gat(100, 'expiring-gat'), 'v');
    same('gat of a missing key', $c->gat(100, 'expiring-none'), undef);
    same('gats is gets', $c->gats(100, 'expiring-gats'), $c->gets('expiring-gats'));
    same('gat_multi', $c->gat_multi(100, 'expiring-many', 'expiring-none'), { 'expiring-many' => 'v' });
    same('touch_multi', [map { $_ ? 1 : 0 } $c->touch_multi(['expiring-many', 100], ['expiring-none', 1])], [1, 0]);
    same('all before', [sort keys %{ $c->get_multi(@names) }], [sort @names]);
    my @left = sort @names[1 .. 4];
    truth('four are left after', wait_until(sub { "@{[sort keys %{ $c->get_multi(@names) }]}" eq "@left" }));
    truth('add after expiry', $c->add('expiring-short', 'again'));
    truth('set in the past', $c->set('expiring-short', 'v', -1));
    same('get from the past', $c->get('expiring-short'), undef);
};

case sizes => sub {
    my $c = client();
    truth('set of 512,000 bytes', $c->set('sizes', $LARGE));
    same('get of 512,000 bytes', $c->get('sizes'), $LARGE);
    truth('set of 2 MB is refused', !$c->set('sizes', $TOO_LARGE));
    same('no stale value after it', client()->get('sizes'), undef);
    same('the client is of use after it', $c->set('sizes', 'v') && $c->get('sizes'), 'v');
    my $key = 'k' x 250;
    same('a key of 250', $c->set($key, 'v') && $c->get($key), 'v');
    same('a key of 251', client()->set('k' x 251, 'v'), undef);
    same("a key of $_", $c->set($_, 'v') && $c->get($_), 'v') for "schl\xc3\xbcssel", 'k,;:=/?[]{}|', 'get', 'noreply';
};

case quiet => sub {
    my $c = client(nowait => 1);
    $c->set("quiet-$_", $_) for 0 .. 299;
    $c->add('quiet-0', 'no');
    $c->append('quiet-1', '!');
    $c->incr('quiet-2', 10);
    $c->delete('quiet-3');
    $c->touch('quiet-4', 100);
    $c->nowait_push;
    same('what they did', $c->get_multi(map { "quiet-$_" } 0 .. 4, 299),
        { 'quiet-0' => 0, 'quiet-1' => '1!', 'quiet-2' => 12, 'quiet-4' => 4, 'quiet-299' => 299 });
    $c->flush_all;
    $c->nowait_push;
    same('flush_all', $c->get('quiet-299'), undef);
};

case reports => sub {
    my $c = client();
    my $versions = $c->server_versions;
    same('servers', [keys %$versions], [$ADDRESS]);
    truth('version', $versions->{$ADDRESS} =~ /^\d+\.\d+\.\d+/);
    $c->set('reports', 'v');
    same('flush_all', $c->flush_all, { $ADDRESS => 1 });
    same('get after flush_all', $c->get('reports'), undef);
    same('set after flush_all', $c->set('reports', 'w') && $c->get('reports'), 'w');
    $c->disconnect_all;
    same('get after disconnect_all', $c->get('reports'), 'w');
};

finish();
