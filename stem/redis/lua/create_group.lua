-- create_group(skew, id, collect, ttl ms, callback, member...) -> 1, or 0 when the group exists
-- Expect these members; `callback` is '' or what is handed on, as packed words.
-- uses: groups
local id, ttl, total, rings = ARGV[2], tonumber(ARGV[4]), #ARGV - 5, {}
if is_group(id) then return 0 end
call('UNLINK', P .. 'g:' .. id, P .. 'gm:' .. id, P .. 'gr:' .. id)
local places = {}
for i = 1, total do
  places[#places + 1] = ARGV[5 + i]
  places[#places + 1] = i
end
many('HSET', places, P .. 'gm:' .. id)
call('HSET', P .. 'g:' .. id, 'total', total, 'arrived', 0, 'failed', 0, 'collect', ARGV[3], 'fired', '0',
  'until', now + ttl, 'callback', ARGV[5])
call('PEXPIRE', P .. 'g:' .. id, math.max(1, ttl))
call('PEXPIRE', P .. 'gm:' .. id, math.max(1, ttl))
fire_if_complete(id, rings)
flush()
ring_all(rings)
return 1
