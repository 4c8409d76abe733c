-- group(skew, id) -> {total, arrived, failed, fired, until, {member, place...}, {member, ok and value...}} or {}
-- uses: groups
local id = ARGV[2]
if not is_group(id) then return {} end
local g = call('HMGET', P .. 'g:' .. id, 'total', 'arrived', 'failed', 'fired', 'until')
g[6], g[7] = call('HGETALL', P .. 'gm:' .. id), call('HGETALL', P .. 'gr:' .. id)
return g
