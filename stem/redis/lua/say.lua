-- say(skew, channel, ttl ms, message) -> nothing
-- Add to the stream 'c:<channel>': its ids are numbers that grow for ever, a field says until when a message is read.
-- What is over goes from the front.
-- uses: topics
local key, ttl = P .. 'c:' .. ARGV[2], tonumber(ARGV[3])
for _, entry in ipairs(call('XRANGE', key, '-', '+', 'COUNT', 100)) do
  if tonumber(entry[2][2]) > now then break end
  call('XDEL', key, entry[1])
end
call('XADD', key, string.format('%.0f', next_numbers('fence', 1)), 'u', now + ttl, 'm', ARGV[4])
if call('PTTL', key) < ttl then call('PEXPIRE', key, math.max(1, ttl)) end
tell('c:' .. ARGV[2])
