-- uses: base publishing outbox
-- Hash 'g:<id>' {total, failed, arrived, collect, fired, until, callback}; hash 'gm:<id>' member -> place; hash
-- 'gr:<id>' member -> '1' or '0', then its value.

-- Publish a job, or put it out: a token, and what, when it belongs to another partition.
local function hand_on(what, rings)
  if #what == 2 then put_out(what[1], what[2]) else publish(what, rings) end
end

-- Publish the callback of a group that has all it waits for, as core/group.py decides.
local function fire_if_complete(group, rings)
  local key = P .. 'g:' .. group
  local g = call('HMGET', key, 'total', 'arrived', 'failed', 'collect', 'fired', 'callback')
  if tonumber(g[2]) < tonumber(g[1]) or g[5] == '1' then return end
  if g[4] ~= '1' and tonumber(g[3]) > 0 then return end
  call('HSET', key, 'fired', '1')
  if g[6] ~= '' then hand_on(words_of(g[6]), rings) end
end

-- The group while it lives.
local function is_group(group)
  local till = call('HGET', P .. 'g:' .. group, 'until')
  return till and tonumber(till) > now
end

-- Count one member, once, and fire when all are there.
local function arrive(group, member, ok, value, rings)
  if not is_group(group) or call('HEXISTS', P .. 'gm:' .. group, member) == 0 then return end
  if call('HSETNX', P .. 'gr:' .. group, member, (ok and '1' or '0') .. value) == 0 then return end
  local till = call('PTTL', P .. 'g:' .. group)
  if till > 0 then call('PEXPIRE', P .. 'gr:' .. group, till) end
  call('HINCRBY', P .. 'g:' .. group, 'arrived', 1)
  if not ok then call('HINCRBY', P .. 'g:' .. group, 'failed', 1) end
  fire_if_complete(group, rings)
end
