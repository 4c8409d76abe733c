-- sweep(skew, limit) -> how many
-- Forget up to `limit` results and dead letters whose time is over. The server forgets results by itself; here go
-- those that it would keep longer, found among the last finished jobs, 1,000 at a time.
-- when full: goes on
-- uses: dead watchers
local limit, over, size = tonumber(ARGV[2]), 0, call('LLEN', P .. 'recent')
local place = tonumber(call('GET', P .. 'swept') or 0)
if place >= size then place = 0 end
local ids, keys = {}, {}
for _, entry in ipairs(call('LRANGE', P .. 'recent', place, place + 999)) do
  local id = string.sub(entry, 9)
  ids[#ids + 1], keys[#keys + 1] = id, P .. 'r:' .. id
end
for i, value in ipairs(mget(keys)) do
  if over < limit and value and results[ids[i]] == nil then
    results[ids[i]] = value
    if not result(ids[i]) then
      forget_result(ids[i])
      over = over + 1
    end
  end
end
if over < limit then call('SET', P .. 'swept', place + 1000) end
local rotten = call('ZRANGEBYSCORE', P .. 'rot', '-inf', now, 'LIMIT', 0, limit - over)
for i = 1, #rotten do
  local job = find(rotten[i])
  if job then drop_dead(rotten[i], job) else call('ZREM', P .. 'rot', rotten[i]) end
end
forget_watchers('e')
forget_watchers('j')
flush()
return over + #rotten
