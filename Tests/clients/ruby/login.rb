# Dalli with a user and a password: the right one gets in, wrong ones and none do not. Usage: ruby login.rb binary ADDRESS
# Prints TAP. The server knows the user `web` with the password `correct-horse`.

require 'dalli'
require 'logger'

ADDRESS = ARGV[1]
Dalli.logger = Logger.new(File::NULL)
$checks = 0
$failed = 0

def same(name, actual, expected)
  $checks += 1
  $failed += 1 unless actual == expected
  puts(actual == expected ? "ok - #{name}" : "not ok - #{name}: expected #{expected.inspect}, got #{actual.inspect}")
end

def client(user, password)
  Dalli::Client.new(ADDRESS, { username: user, password: password, socket_timeout: 5 }.compact)
end

def refused?(user, password)
  c = client(user, password)
  [-> { c.set('login', 'x') }, -> { c.get('login') }].all? do |call|
    !call.call
  rescue Dalli::DalliError
    true
  end
end

puts "# version #{Dalli::VERSION}"
right = client('web', 'correct-horse')
same('set', right.set('login', 'v') ? true : false, true)
same('get', right.get('login'), 'v')
same('get_multi', right.get_multi('login', 'login-none'), { 'login' => 'v' })
same('a wrong password is refused', refused?('web', 'correct-hors'), true)
same('another user is refused', refused?('we', 'correct-horse'), true)
same('nobody is refused', refused?(nil, nil), true)
same('nothing was changed', right.get('login'), 'v')
same('the right one gets in', client('web', 'correct-horse').get('login'), 'v')
puts "1..#{$checks}"
exit($failed.zero? ? 0 : 1)
