-- uses: base
-- Who waits for what: set 'w:<topic>' of addresses, each told once. A set lives for a while; who still waits says so
-- again.

-- Note that the engine at `address` waits for this topic; with an empty address nobody does.
local function arm(topic, address)
  if address == '' then return end
  call('SADD', P .. 'w:' .. topic, address)
  call('PEXPIRE', P .. 'w:' .. topic, WHILE)
end

-- Tell all who wait for this topic.
local function tell(topic)
  local waiting = call('SMEMBERS', P .. 'w:' .. topic)
  if #waiting > 0 then
    call('UNLINK', P .. 'w:' .. topic)
    for i = 1, #waiting do call('PUBLISH', P .. '@' .. waiting[i], 't' .. topic) end
  end
end
