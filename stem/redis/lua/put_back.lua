-- put_back(skew, address, message with its end...) -> nothing
-- Messages whose receiver is gone, where they were.
-- when full: goes on
-- uses: topics
local key, ttl = P .. 'i:' .. ARGV[2], 1
for i = #ARGV, 3, -1 do
  call('LPUSH', key, ARGV[i])
  ttl = math.max(ttl, struct.unpack('<d', ARGV[i]) - now)
end
if call('PTTL', key) < ttl then call('PEXPIRE', key, ttl) end
tell('i:' .. ARGV[2])
