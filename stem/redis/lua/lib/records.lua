-- uses: job
-- What became of a job, and its version.

-- The packed result while it lives, the record of a dead letter, or false.
local function record_of(id)
  local value = result(id)
  if value then return string.sub(value, select(10, struct.unpack(RESULT, value))) end
  local job = find(id)
  if not job or (job[STATE] ~= FAILED and job[STATE] ~= CANCELLED) then return false end
  local more = call('HMGET', P .. 'x:' .. id, 'dead_until', 'record')
  return tonumber(more[1]) > now and more[2]
end

-- Differs after every change; 'gone' for an id that is not known.
local function version_of(id)
  local job = find(id)
  if job then return string.format('%.0f.%.0f', job[SEQ], job[CHANGES]) end
  local value = result(id)
  if not value then return 'gone' end
  return string.format('done.%.0f', select(4, struct.unpack(RESULT, value)))
end
