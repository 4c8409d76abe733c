-- purge(skew, queue, limit) -> how many
-- Forget up to `limit` waiting jobs of a queue and free their unique keys.
-- when full: goes on
-- uses: ending watchers
local queue, limit, ids = ARGV[2], tonumber(ARGV[3]), {}
local line = find_line(queue)
if not line then return 0 end

local function collect(key)
  if #ids < limit then
    for _, id in ipairs(call('ZRANGE', key, 0, limit - #ids - 1)) do ids[#ids + 1] = id end
  end
end

for level = 0, 9 do
  collect(P .. 'b' .. level .. ':' .. queue)
  if #ids < limit and line[queued_at(level)] > line[back_at(level)] then
    local after = '(' .. string.format('%.0f', line[cursor_at(level)])
    for _, entry in ipairs(call('XRANGE', P .. 's' .. level .. ':' .. queue, after, '+', 'COUNT', limit - #ids)) do
      ids[#ids + 1] = entry[2][1]
    end
  end
end
collect(P .. 'z:' .. queue)
for _, key in ipairs(call('SMEMBERS', P .. 'qk:' .. queue)) do collect(parked_in(queue, key)) end
load(ids)
local purged = 0
for i = 1, #ids do
  local job = find(ids[i])
  if job and job[STATE] <= PARKED then -- letting one out may have moved another
    take_out(ids[i], job)
    free_unique(ids[i], job)
    forget(ids[i], job)
    tell_ended(ids[i])
    purged = purged + 1
  end
end
flush()
return purged
