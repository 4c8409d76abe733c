-- uses: base
-- Who waits for jobs: hash 'we' of their ends and 'wj' of any change, id -> addresses; zsets 'wez' and 'wjz' of until
-- when. Many jobs end in one step, and one look must tell whether anybody waits for any of them.

-- Note that the engine at `address` waits for this job; with an empty address nobody does.
local function arm_job(kind, id, address)
  if address == '' then return end
  local key = P .. 'w' .. kind
  local waiting = call('HGET', key, id)
  if not waiting then
    call('HSET', key, id, address)
  elseif not string.find(waiting, address, 1, true) then
    call('HSET', key, id, waiting .. ' ' .. address)
  end
  call('ZADD', key .. 'z', now + WHILE, id)
end

-- Tell who waits for these jobs. Whether anybody waits at all is asked once a script.
local anybody = {}
local function tell_of(kind, ids)
  local key = P .. 'w' .. kind
  if anybody[kind] == nil then anybody[kind] = call('EXISTS', key) == 1 end
  if #ids == 0 or not anybody[kind] then return end
  for from = 1, #ids, 4000 do
    local till = math.min(from + 3999, #ids)
    for i, waiting in ipairs(call('HMGET', key, unpack(ids, from, till))) do
      local id = ids[from + i - 1]
      if waiting then
        call('HDEL', key, id)
        call('ZREM', key .. 'z', id)
        for address in string.gmatch(waiting, '%S+') do
          call('PUBLISH', P .. '@' .. address, 't' .. kind .. ':' .. id)
        end
      end
    end
  end
end

local function tell_changed(id) tell_of('j', {id}) end

local function tell_ended(id)
  tell_of('e', {id})
  tell_of('j', {id})
end

-- Forget those who have not said again that they wait.
local function forget_watchers(kind)
  local key = P .. 'w' .. kind
  local over = call('ZRANGEBYSCORE', key .. 'z', '-inf', now, 'LIMIT', 0, 500)
  many('HDEL', over, key)
  many('ZREM', over, key .. 'z')
end
