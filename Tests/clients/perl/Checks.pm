# What the Perl clients share: exact checks of values over Test::More, waiting, and the server's address.
# A script says `use Checks;` and has $ADDRESS, $IS_UNIX, $LARGE, $TOO_LARGE, $BYTES, case, same, truth, falsehood,
# skip, wait_until and, at its end, finish.

package Checks;
use strict;
use warnings;
use Exporter 'import';
use Test::More ();
use Time::HiRes qw(sleep time);

our @EXPORT = qw($ADDRESS $IS_UNIX $LARGE $TOO_LARGE $BYTES same truth falsehood wait_until case skip finish);
our ($protocol, $ADDRESS) = @ARGV;
our $IS_UNIX = $ADDRESS =~ m{^/};
srand(1);
our $LARGE = pack('C*', map { int(rand(256)) } 1 .. 512_000);
our $TOO_LARGE = $LARGE x 4;
our $BYTES = pack('C*', 0 .. 255) . "\r\nEND\r\n";

# Long values are compared without being printed.
sub same {
    my ($name, $actual, $expected) = @_;
    if (defined $actual && !ref $actual && length $actual > 200) {
        return Test::More::ok(defined $expected && $actual eq $expected, $name);
    }
    return ref $expected ? Test::More::is_deeply($actual, $expected, $name) : Test::More::is($actual, $expected, $name);
}

sub truth { my ($name, $value) = @_; return Test::More::ok($value, $name) }

# False as an answer, which is not undef, the sign of an error.
sub falsehood { my ($name, $value) = @_; return Test::More::ok(defined $value && !$value, $name) }

sub wait_until {
    my ($condition) = @_;
    my $end = time + 5;
    while (time < $end) {
        return 1 if $condition->();
        sleep 0.05;
    }
    return 0;
}

sub case {
    my ($name, $body) = @_;
    eval { $body->(); 1 } or Test::More::fail("$name died: $@");
    return;
}

sub skip { my ($reason) = @_; Test::More->builder->skip($reason); return }

sub finish { Test::More::done_testing(); return }

1;
