-- Time, names of keys, and commands with many arguments. KEYS[1] is '{namespace}:seq', ARGV[1] the skew in ms.
-- As redis.call; when a key holds what another program has put there, the error names it.
local function call(...)
  local reply = redis.pcall(...)
  if type(reply) == 'table' and reply.err then
    local key = string.find(reply.err, 'WRONGTYPE', 1, true) and ' (key ' .. tostring(select(2, ...)) .. ')' or ''
    error(reply.err .. key, 0)
  end
  return reply
end
local P = string.sub(KEYS[1], 1, -4)
local clock = call('TIME')
local real = clock[1] * 1000 + math.floor(clock[2] / 1000)
local now = real + ARGV[1]

-- How long it is remembered, in ms, that somebody waits; who still does says so again before that.
local WHILE = 150000

-- Runs `command ...list`, or `command key ...list`, in slices that Lua can unpack.
local function many(command, list, key)
  for i = 1, #list, 4000 do
    if key then
      call(command, key, unpack(list, i, math.min(i + 3999, #list)))
    else
      call(command, unpack(list, i, math.min(i + 3999, #list)))
    end
  end
end

-- The values of these string keys, in order.
local function mget(keys)
  if #keys == 0 then return {} end
  if #keys <= 4000 then return call('MGET', unpack(keys)) end
  local values = {}
  for i = 1, #keys, 4000 do
    for _, value in ipairs(call('MGET', unpack(keys, i, math.min(i + 3999, #keys)))) do
      values[#values + 1] = value
    end
  end
  return values
end

-- Words packed into one: each with its length in front.
local function words_of(packed)
  local words, at = {}, 1
  while at <= #packed do words[#words + 1], at = struct.unpack('<I4c0', packed, at) end
  return words
end

-- The last of `count` numbers that grow for ever: also behind every number of a history that a failover has lost, for
-- they are never less than the server's clock in tenths of a ms.
local function next_numbers(name, count)
  local number, least = call('INCRBY', P .. name, count), clock[1] * 10000 + math.floor(clock[2] / 100)
  if number < least then
    number = least + count - 1
    call('SET', P .. name, string.format('%.0f', number))
  end
  return number
end

-- What many calls of one script add up to, written by `flush`.
local flushes = {}
local function flush()
  for i = 1, #flushes do flushes[i]() end
end
