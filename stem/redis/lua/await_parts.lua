-- await_parts(skew, count, address) -> 1 when there are not so many queues, or 0: `address` will be told
-- when full: goes on
-- uses: topics
if call('SCARD', P .. 'parts') ~= tonumber(ARGV[2]) then return 1 end
arm('p', ARGV[3])
return 0
