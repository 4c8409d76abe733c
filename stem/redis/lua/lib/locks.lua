-- uses: base topics
-- String 'lk:<name>' = 'token|until|owner'.

-- Token, end and owner of a lock that is held, or nil.
local function holder_of(name)
  local value = call('GET', P .. 'lk:' .. name)
  if not value then return nil end
  local token, till, owner = string.match(value, '^(%d+)|(%d+)|(.*)$')
  if tonumber(till) > now then return token, till, owner end
end

local function hold_lock(name, token, till, owner, ttl)
  call('SET', P .. 'lk:' .. name, token .. '|' .. till .. '|' .. owner, 'PX', math.max(1, ttl))
end
