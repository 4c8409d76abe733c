-- send(skew, address, ttl ms, message) -> nothing
-- Leave a message in the list 'i:<address>' as its end, packed, and its bytes.
-- when full: goes on
-- uses: topics
local key, ttl = P .. 'i:' .. ARGV[2], tonumber(ARGV[3])
call('RPUSH', key, struct.pack('<d', now + ttl) .. ARGV[4])
if call('PTTL', key) < ttl then call('PEXPIRE', key, math.max(1, ttl)) end
tell('i:' .. ARGV[2])
