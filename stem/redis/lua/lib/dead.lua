-- uses: base ending watchers
-- Dead letters: zset 'dead' of deaths, zset 'rot' of the ends of their time; what is said of one lies in its 'x:'.

-- The dead letter while it is kept, or nil.
local function dead_letter(id)
  local job = find(id)
  if not job or (job[STATE] ~= FAILED and job[STATE] ~= CANCELLED) then return nil end
  return tonumber(extra_of(id, job, 'dead_until')) > now and job or nil
end

local function off_the_lists(id, job)
  call('ZREM', P .. 'dead', id)
  call('ZREM', P .. 'rot', id)
  count(job[QUEUE], 'dead', -1)
end

-- Drop a dead letter; its result lives on for its own time.
local function drop_dead(id, job)
  off_the_lists(id, job)
  if result(id) then list_finished(id, job, job[STATE]) end
  forget(id, job)
  tell_ended(id)
end
