-- claim(skew, limit, worker, address, 's' for strict and 'r' for a worker that renews, queue...) -> {ms to the next timer or -1, {id, state, envelope, and
-- unless they are all empty: ended, cancel reason, overrides}...}
-- Hand out up to `limit` jobs, as contracts/broker.py says. An empty answer puts the worker on the lists of those to be
-- woken, any other takes it off; but -2 instead of a time means: look again at once, nothing was done.
-- when full: goes on
-- uses: packed heads sleepers watchers
-- slowly: claiming
-- numbers: SCAN_LIMIT
-- Most claims find jobs of one queue at one level that nobody has had before, without a limit or an expiry, and nothing
-- that is due. They are served here; whatever else there is, nothing has been written yet.
local limit, worker = tonumber(ARGV[2]), ARGV[3]
local renews = string.find(ARGV[5], 'r', 1, true) and 128 or 0 -- the flag RENEWS

-- The level to serve and its line; nothing when the claim is not a plain one.
local function plain_line(queue)
  local line = find_line(queue)
  if not line or line[PAUSED] == 1 then return end
  local due, lease = first_of(P .. 'z:' .. queue), first_of(P .. 'l:' .. queue)
  if (due and due <= now) or (lease and lease <= now) then return end
  local found
  for level = 9, 0, -1 do
    if line[back_at(level)] > 0 then return end
    if line[queued_at(level)] > 0 then
      if not found then
        found = level
        if line[queued_at(level)] >= limit and not is_guarded(line) then break end
      else
        return
      end
    end
  end
  local parked = found and first_of(P .. 'pt')
  if not found or (parked and parked <= now) then return end
  local timer = due
  for _, at in pairs({lease or false, parked or false}) do
    if at and (not timer or at < timer) then timer = at end
  end
  return line, found, timer
end

local function serve_plainly(queue)
  local line, level, timer = plain_line(queue)
  if not line then return end
  local after = '(' .. string.format('%.0f', line[cursor_at(level)])
  local entries = call('XRANGE', P .. 's' .. level .. ':' .. queue, after, '+', 'COUNT', limit)
  local keys = {}
  for k = 1, #entries do keys[k] = P .. 't:' .. entries[k][2][1] end
  local values, fresh, never = mget(keys), struct.pack('<BBH', QUEUED, level, 0), struct.pack('<d', -1)
  for k = 1, #entries do
    local value = values[k]
    if not value or string.sub(value, 1, 4) ~= fresh or string.sub(value, 61, 68) ~= never then return end
    if struct.unpack('<I4', value, 77) == 0 then return end
  end
  local size = 0
  for k = 1, #entries do -- not more than a few megabytes
    if size > SIZE then entries[k] = nil else size = size + #entries[k][2][2] end
  end
  if #entries == 0 then return end
  local head = struct.pack('<BBH', RUNNING, level, renews)
  local handed, started, name = struct.pack('<dI4I4', next_numbers('fence', 1), 1, 1), struct.pack('<d', now), worker .. '\0'
  local taken, written, leases, ids, packed_lease, till = {-1}, {}, {}, {}, nil, nil
  for k = 1, #entries do
    local value, id = values[k], entries[k][2][1]
    local state = head .. string.sub(value, 5, 12) .. handed .. string.sub(value, 29, 68) .. started
      .. string.sub(value, 77, -2) .. name
    if string.sub(value, 81, 88) ~= packed_lease then
      packed_lease = string.sub(value, 81, 88)
      local ends = now + struct.unpack('<d', packed_lease)
      if not timer or ends < timer then timer = ends end
      till = string.format('%.0f', ends)
    end
    written[2 * k - 1], written[2 * k] = keys[k], state
    leases[2 * k - 1], leases[2 * k] = till, id
    ids[k] = id
    taken[k + 1] = {id, state, entries[k][2][2]}
  end
  many('MSET', written)
  many('ZADD', leases, P .. 'l:' .. queue)
  call('HINCRBY', P .. 'n:' .. queue, 'running', #entries)
  line[cursor_at(level)] = tonumber(string.match(entries[#entries][1], '^%d+'))
  line[queued_at(level)] = line[queued_at(level)] - #entries
  line[TICK] = line[TICK] + 1
  save_line(queue, line)
  tell_of('j', ids)
  get_up(worker)
  taken[1] = math.max(0, timer - now)
  return taken
end

if #ARGV == 6 and limit <= SCAN_LIMIT then
  local taken = serve_plainly(ARGV[6])
  if taken then return taken end
end
return slowly()
