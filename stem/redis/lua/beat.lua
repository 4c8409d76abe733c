-- beat(skew, worker, ttl ms, info) -> nothing
-- Be present: hash 'hb' worker -> end and time, packed, and what it says of itself. It lives as long as somebody is.
-- when full: goes on
-- uses: base
call('HSET', P .. 'hb', ARGV[2], struct.pack('<dd', now + ARGV[3], now) .. ARGV[4])
if call('PTTL', P .. 'hb') < tonumber(ARGV[3]) then call('PEXPIRE', P .. 'hb', math.max(1, ARGV[3])) end
