-- uses: base
-- Who waits for what: set 'w:<topic>' of addresses, each told once. A set lives 30 s; who still waits says so again.

-- Note that the engine at `address` waits for this topic; with an empty address nobody does.
local function arm(topic, address)
  if address == '' then return end
  call('SADD', P .. 'w:' .. topic, address)
  call('PEXPIRE', P .. 'w:' .. topic, 30000)
end

-- Tell all who wait for this topic.
local function tell(topic)
  local waiting = call('SMEMBERS', P .. 'w:' .. topic)
  if #waiting > 0 then
    call('UNLINK', P .. 'w:' .. topic)
    for i = 1, #waiting do call('PUBLISH', P .. '@' .. waiting[i], 't' .. topic) end
  end
end

-- Jobs end so often that a look for each would cost more than all waiting: one key says whether anybody waits at all.
-- Kind 'e' is the end of a job, 'j' any change.
local anybody = {}
local function somebody_waits(kind)
  if anybody[kind] == nil then anybody[kind] = call('EXISTS', P .. 'w' .. kind) == 1 end
  return anybody[kind]
end

local function arm_job(kind, id, address)
  if address == '' then return end
  call('SET', P .. 'w' .. kind, '1', 'PX', 30000)
  arm(kind .. ':' .. id, address)
end

local function tell_changed(id)
  if somebody_waits('j') then tell('j:' .. id) end
end

local function tell_ended(id)
  if somebody_waits('e') then tell('e:' .. id) end
  tell_changed(id)
end
