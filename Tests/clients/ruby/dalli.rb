# Dalli 3, the client of Rails: binary protocol, quiet commands in `multi`, CAS with every reply, counters with initial
# values, get and touch, Rack sessions. Usage: ruby dalli.rb binary ADDRESS
# Prints TAP. Debian's version 3.0 speaks binary only; later ones know meta too.

require 'dalli'
require 'logger'
require 'rack/mock'
require 'rack/session/dalli'

PROTOCOL, ADDRESS = ARGV
IS_UNIX = ADDRESS.start_with?('/')
LARGE = Random.new(1).bytes(512_000)
TOO_LARGE = Random.new(2).bytes(2 << 20)
BYTES = (0..255).to_a.pack('C*').freeze
Dalli.logger = Logger.new(File::NULL)
$checks = 0
$failed = 0

def report(is_ok, text)
  $checks += 1
  $failed += 1 unless is_ok
  puts((is_ok ? 'ok - ' : 'not ok - ') + text)
end

def same(name, actual, expected)
  is_same = actual.class == expected.class && actual == expected
  brief = ->(value) { value.inspect[0, 200] }
  report(is_same, is_same ? name : "#{name}: expected #{brief[expected]}, got #{brief[actual]}")
end

def raises(name, kind, words = '')
  value = yield
  report(false, "#{name}: expected an error, got #{value.inspect[0, 200]}")
rescue kind => e
  report(e.message.include?(words), "#{name}#{": #{e.message}" unless e.message.include?(words)}")
end

def until_true(seconds = 5)
  finish = Time.now + seconds
  until (is_true = yield) || Time.now > finish
    sleep 0.05
  end
  is_true ? true : false
end

def client(options = {})
  Dalli::Client.new(ADDRESS, { socket_timeout: 10 }.merge(options))
end

CASES = {}

CASES['storing'] = lambda do
  c = client
  same('set', c.set('storing', 'one').is_a?(Integer), true)
  same('get', c.get('storing'), 'one')
  same('get of a missing key', c.get('storing-none'), nil)
  same('add of a present key', c.add('storing', 'x'), false)
  same('add of a missing key', c.add('storing-new', 'x').is_a?(Integer), true)
  same('replace of a present key', c.replace('storing-new', 'y').is_a?(Integer), true)
  same('after replace', c.get('storing-new'), 'y')
  same('replace of a missing key', c.replace('storing-none', 'y'), 0)
  c.set('storing', 'one', 0, raw: true)
  same('append', c.append('storing', ' end'), true)
  same('prepend', c.prepend('storing', 'begin '), true)
  same('after append and prepend', c.get('storing'), 'begin one end')
  same('append to a missing key', c.append('storing-none', 'x'), false)
  same('prepend to a missing key', c.prepend('storing-none', 'x'), false)
  same('delete', c.delete('storing'), true)
  same('delete again', c.delete('storing'), nil)
  same('fetch of a missing key', c.fetch('storing') { 'made' }, 'made')
  same('fetch of a present key', c.fetch('storing') { 'made again' }, 'made')
  nils = client(cache_nils: true)
  same('fetch that makes nil', nils.fetch('storing-nil') { nil }, nil)
  same('a nil that is present', nils.fetch('storing-nil') { 'no' }, nil)
end

CASES['types'] = lambda do
  c = client
  values = { 'text' => 'žluť ☃', 'integer' => -17, 'huge' => 2**80, 'float' => 2.5, 'symbol' => :a, 'list' => [1, nil],
             'hash' => { 'a' => { b: [1] } }, 'truth' => true, 'range' => 1..3, 'bytes' => BYTES }
  values.each { |name, value| c.set("types-#{name}", value) }
  values.each { |name, value| same(name, c.get("types-#{name}"), value) }
  same('all at once', c.get_multi(values.keys.map { |n| "types-#{n}" }), values.transform_keys { |n| "types-#{n}" })
  c.set('types', 'a' * 100_000, 0, compress: true)
  same('compressed', c.get('types'), 'a' * 100_000)
  c.set('types', BYTES, 0, raw: true)
  same('raw', c.get('types'), BYTES)
end

CASES['many'] = lambda do
  c = client
  keys = (0...500).map { |n| "many-#{n}" }
  c.multi { keys.each_with_index { |key, n| c.set(key, n) } }
  same('get_multi after quiet sets', c.get_multi(*keys, 'many-none'), keys.each_with_index.to_h)
  same('get_multi of nothing', c.get_multi('many-none'), {})
  got = []
  c.get_multi(keys.first(10)) { |key, value| got << [key, value] }
  same('get_multi with a block', got, keys.first(10).each_with_index.to_a)
  pairs = c.get_multi_cas('many-1', 'many-2', 'many-none')
  same('get_multi_cas', pairs.transform_values(&:first), { 'many-1' => 1, 'many-2' => 2 })
  same('two uniques', pairs['many-1'].last != pairs['many-2'].last, true)
  c.multi do
    c.add('many-0', 'no')
    c.add('many-new', 'yes')
    c.replace('many-1', 'yes')
    c.replace('many-none', 'no')
    c.delete('many-2')
    c.delete('many-none')
  end
  same('what quiet commands did', c.get_multi('many-0', 'many-new', 'many-1', 'many-none', 'many-2'),
       { 'many-0' => 0, 'many-new' => 'yes', 'many-1' => 'yes' })
  same('the next reply is the right one', c.get('many-499'), 499)
end

CASES['swapping'] = lambda do
  c = client
  first = c.set('swapping', 'one')
  same('the unique of a set is the item\'s', c.get_cas('swapping'), ['one', first])
  second = c.set_cas('swapping', 'two', first)
  same('set_cas gives a greater one', second > first, true)
  same('set_cas with an old unique', c.set_cas('swapping', 'x', first), false)
  third = c.replace_cas('swapping', 'three', second)
  same('replace_cas', c.get_cas('swapping'), ['three', third])
  same('replace_cas with an old unique', c.replace_cas('swapping', 'x', second), false)
  same('cas with a block', c.cas('swapping') { |value| "#{value}!" }.is_a?(Integer), true)
  same('after it', c.get('swapping'), 'three!')
  lost = c.cas('swapping') do |value|
    client.set('swapping', 'other')
    value
  end
  same('cas that somebody else was faster than', lost, false)
  same('cas of a missing key', c.cas('swapping-none') { |v| v }, nil)
  same('cas! of a missing key', c.cas!('swapping-none') { |v| v.inspect }.is_a?(Integer), true)
  same('after it', c.get('swapping-none'), 'nil')
  unique = c.get_cas('swapping').last
  same('delete_cas with a wrong unique', c.delete_cas('swapping', unique + 1_000_000), false)
  same('delete_cas', c.delete_cas('swapping', unique), true)
  same('after delete_cas', c.get('swapping'), nil)
end

CASES['counting'] = lambda do
  c = client
  same('incr of a missing key', c.incr('counting'), nil)
  same('decr of a missing key', c.decr('counting'), nil)
  same('incr with an initial value', c.incr('counting', 5, 0, 10), 10)
  same('incr', c.incr('counting', 5, 0, 10), 15)
  same('decr', c.decr('counting', 6), 9)
  same('decr below zero', c.decr('counting', 100), 0)
  same('a great initial value', c.decr('counting-great', 1, 0, 2**64 - 1), 2**64 - 1)
  same('incr over the end', c.incr('counting-great', 2), 1)
  c.set('counting-word', 'word', 0, raw: true)
  raises('incr of a word', Dalli::DalliError, 'non-numeric') { c.incr('counting-word') }
  same('the connection is of use after it', c.get('counting-word'), 'word')
  c.set('counting-raw', '41', 0, raw: true)
  same('a raw number', c.incr('counting-raw'), 42)
end

CASES['expiring'] = lambda do
  c = client
  names = %w[short saved gat cut counter month].map { |name| "expiring-#{name}" }
  names.first(3).each { |name| c.set(name, 'v', 2) }
  c.set('expiring-cut', 'v')
  c.incr('expiring-counter', 1, 2, 5)
  c.set('expiring-month', 'v', 40 * 24 * 3600)
  same('touch to be longer', c.touch('expiring-saved', 100), true)
  same('touch to be shorter', c.touch('expiring-cut', 2), true)
  same('touch of a missing key', c.touch('expiring-none', 100), nil)
  same('gat', c.gat('expiring-gat', 100), 'v')
  same('gat of a missing key', c.gat('expiring-none', 100), nil)
  present = -> { names.reject { |name| c.get(name).nil? } }
  same('all before', present.call, names)
  left = %w[saved gat month].map { |name| "expiring-#{name}" }
  same('three are left after', until_true { present.call == left }, true)
  same('add after expiry', c.add('expiring-short', 'again').is_a?(Integer), true)
end

CASES['sizes'] = lambda do
  c = client
  c.set('sizes', LARGE, 0, raw: true)
  same('512,000 bytes', c.get('sizes') == LARGE, true)
  raises('2 MB, by its own limit', Dalli::ValueOverMaxSize) { c.set('sizes', TOO_LARGE, 0, raw: true) }
  big = client(value_max_bytes: 8 << 20)
  raises('2 MB, by the server', Dalli::DalliError, 'Value too large') { big.set('sizes', TOO_LARGE, 0, raw: true) }
  same('no stale value after it', client.get('sizes'), nil)
  same('the connection is of use after it', [big.set('sizes', 'v').is_a?(Integer), big.get('sizes')], [true, 'v'])
  [250, 251, 1000].each do |length|
    c.set('k' * length, length)
    same("a key of #{length}", c.get('k' * length), length)
  end
end

CASES['odd keys'] = lambda do
  c = client
  names = ['schlüssel', 'ключ', 'a key', "line\r\nend", "\0", 'get', ' ']
  names.each { |name| c.set(name, name) }
  names.each { |name| same("the key #{name.inspect}", c.get(name), name) }
  spaced = client(namespace: 'space')
  spaced.set('a', 'in it')
  same('a namespace', [spaced.get_multi('a', 'b'), c.get('space:a')], [{ 'a' => 'in it' }, 'in it'])
end

CASES['threads'] = lambda do
  c = client
  c.set('threads', 0, 0, raw: true)
  (1..5).map { |n| Thread.new { 100.times { |i| c.set("threads-#{n}", i) && c.incr('threads') } } }.each(&:join)
  same('a common counter', c.get('threads'), '500')
  same('own keys', c.get_multi((1..5).map { |n| "threads-#{n}" }).values, [99] * 5)
end

CASES['rack sessions'] = lambda do
  application = lambda do |environment|
    session = environment['rack.session']
    session['count'] = session['count'].to_i + 1
    environment['rack.session.options'][:drop] = true if environment['PATH_INFO'] == '/drop'
    [200, {}, [session['count'].to_s]]
  end
  server = Rack::Session::Dalli.new(application, memcache_server: ADDRESS, namespace: 'rack', expire_after: 100)
  request = Rack::MockRequest.new(server)
  first = request.get('/')
  cookie = first['Set-Cookie'].to_s[/\A[^;]+/]
  same('a new session', first.body, '1')
  same('the session comes back', request.get('/', 'HTTP_COOKIE' => cookie).body, '2')
  same('another visitor', request.get('/').body, '1')
  same('and again', request.get('/', 'HTTP_COOKIE' => cookie).body, '3')
  same('drop', request.get('/drop', 'HTTP_COOKIE' => cookie).body, '4')
  same('after drop', request.get('/', 'HTTP_COOKIE' => cookie).body, '1')
end

CASES['reports'] = lambda do
  c = client
  before = c.stats.fetch(ADDRESS)
  c.set('reports', 'v')
  c.get('reports')
  c.get_multi('reports', 'reports-none')
  after = c.stats.fetch(ADDRESS)
  gained = %w[cmd_get cmd_set get_hits get_misses].to_h { |name| [name, after[name].to_i - before[name].to_i] }
  same('what is counted', gained, { 'cmd_get' => 3, 'cmd_set' => 1, 'get_hits' => 2, 'get_misses' => 1 })
  same('limit_maxbytes', after['limit_maxbytes'], '67108864')
  same('version', c.version, { ADDRESS => after['version'] })
  settings = c.stats(:settings).fetch(ADDRESS)
  same('item_size_max', settings['item_size_max'], '1048576')
  same('tcpport', settings['tcpport'], ADDRESS.split(':').last) unless IS_UNIX
  same('items', c.stats(:items).fetch(ADDRESS).keys.any?(/\Aitems:\d+:number\z/), true)
  same('slabs', c.stats(:slabs).fetch(ADDRESS)['active_slabs'].to_i.positive?, true)
  same('reset_stats', c.reset_stats, [true])
  same('gets after it', c.stats.fetch(ADDRESS)['cmd_get'], '0')
  same('alive!', c.alive!.nil?, false)
end

CASES['flushing'] = lambda do
  c = client
  c.set('flushing', 'v')
  same('flush', c.flush, [true])
  same('get after flush', c.get('flushing'), nil)
  c.set('flushing', 'w')
  same('set after flush', c.get('flushing'), 'w')
  c.close
  same('get after close', c.get('flushing'), 'w')
end

puts "# version #{Dalli::VERSION}"
CASES.each do |name, body|
  body.call
rescue StandardError => e
  place = e.backtrace.find { |line| line.start_with?(__FILE__) }
  report(false, "#{name} raised #{e.class}: #{e.message.lines.first&.strip} at #{place}")
end
puts "1..#{$checks}"
exit($failed.zero? ? 0 : 1)
