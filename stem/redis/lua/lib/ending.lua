-- uses: base job line unique limits effects watchers
-- Carrying out settlements. One is {id, fence, kind, a, b, c, d, e, effects}, by kind:
-- `effects` is '' or packed words as lib/effects.lua says.
--   F  state, record, keep ms                      it is over
--   A  delay ms, attempts, overrides, error        again
--   B  state, record, keep ms, reason, dead ms     buried

-- The job while this delivery holds it.
local function held(id, fence)
  local job = find(id)
  return job and job[STATE] == RUNNING and job[FENCE] == tonumber(fence) and job
end

-- Whether this very settlement was stored before.
local function stored_before(id, fence)
  local job = find(id)
  if job then return job[SETTLED] == tonumber(fence) end
  local value = result(id)
  return value and select(5, struct.unpack(RESULT, value)) == tonumber(fence)
end

local function finish(id, job, one)
  local state = tonumber(one[4])
  free_unique(id, job)
  forget(id, job)
  count(job[QUEUE], state == SUCCEEDED and 'succeeded' or 'cancelled', 1)
  keep(id, job, state, one[5], one[6])
  list_finished(id, job, state)
  tell_ended(id)
end

local function again(id, job, one)
  local attempts = tonumber(one[5])
  if attempts > job[ATTEMPTS] then count(job[QUEUE], 'retried', 1) end
  job[ATTEMPTS] = attempts
  if one[6] ~= '' then extra(id, job, 'overrides', one[6]) end
  if one[7] ~= '' then extra(id, job, 'error', one[7]) end
  job[READY] = has(job, CANCEL) and now or now + one[4]
  job[CHANGES] = job[CHANGES] + 1
  put(id, job)
  tell_changed(id)
end

local function bury(id, job, one)
  local state, till = tonumber(one[4]), now + one[8]
  free_unique(id, job)
  move_out(id, job)
  count(job[QUEUE], state == FAILED and 'failed' or 'cancelled', 1)
  count(job[QUEUE], 'dead', 1)
  job[STATE] = state
  job[CHANGES] = job[CHANGES] + 1
  extra(id, job, 'reason', one[7], 'record', one[5], 'died', now, 'dead_until', till)
  call('ZADD', P .. 'dead', now, id)
  call('ZADD', P .. 'rot', till, id)
  save(id, job)
  keep(id, job, state, one[5], one[6])
  tell_ended(id)
end

local ACTIONS = {F = finish, A = again, B = bury}

-- Carry out a settlement on a job that is out of every line.
local function apply(id, job, one, rings)
  ACTIONS[one[3]](id, job, one)
  if one[9] ~= '' then bring_about(one[9], rings) end
end
