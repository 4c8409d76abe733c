-- receive(skew, address, limit, address of the engine) -> {message with its end...}; none: the engine is told
-- Take what lies there, without what nobody read in time.
-- when full: goes on
-- uses: topics
local key, limit, taken = P .. 'i:' .. ARGV[2], tonumber(ARGV[3]), {}
while #taken < limit do
  local message = call('LPOP', key)
  if not message then break end
  if struct.unpack('<d', message) > now then taken[#taken + 1] = message end
end
if #taken == 0 then arm('i:' .. ARGV[2], ARGV[4]) end
return taken
