-- uses: base job
-- String 'u:<key>' = 'until|holder'; until is empty when the key is held as long as its holder lives.

local function still_holds(till, holder)
  if till ~= '' then return tonumber(till) > now end
  local job = find(holder)
  return job and job[STATE] ~= FAILED and job[STATE] ~= CANCELLED
end

-- Take the key for this job; the id of the holder when somebody else has it. `for_ms` is '' or a fixed time.
local function take_unique(id, key, for_ms)
  local value = call('GET', P .. 'u:' .. key)
  if value then
    local till, holder = string.match(value, '^(%d*)|(.*)$')
    if holder ~= id and still_holds(till, holder) then return holder end
  end
  if for_ms == '' then
    call('SET', P .. 'u:' .. key, '|' .. id)
  else
    call('SET', P .. 'u:' .. key, (now + for_ms) .. '|' .. id, 'PX', for_ms)
  end
end

-- Let the key go, unless it is held for a fixed time or by somebody else.
local function free_unique(id, job)
  if not has(job, UNIQUE) then return end
  local key = extra_of(id, job, 'unique')
  if key and call('GET', P .. 'u:' .. key) == '|' .. id then call('UNLINK', P .. 'u:' .. key) end
end
