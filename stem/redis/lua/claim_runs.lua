-- claim_runs(skew, limit, worker, address, '1' for a worker that renews, line...) -> {ms to the next timer or -1, {id, msgpack of the row, params,
-- {key, step...}, {key, wait...}, last worker}...}
-- Hand out up to `limit` runs. An empty answer puts the worker on the lists of those to be woken, any other takes it off.
-- when full: goes on
-- uses: lease run_life
-- numbers: MAX_TAKEOVERS WAKE_LIMIT
local limit, worker = tonumber(ARGV[2]), ARGV[3]
local lines, taken = {unpack(ARGV, 6)}, {0}

local function flat(kind, id)
  return call('HGETALL', F .. kind .. ':' .. id)
end

-- Once, a lease that has ended is doubted, when its holder renews its leases.
local function is_doubted(id, row)
  if row.state ~= 'running' or row.doubt ~= 1 then return false end
  row.doubt, row.due_at = 2, now + doubt_ms(row.lease_ms)
  written[id] = true
  return true
end

local function hand_out(id, row)
  local last = row.owner
  if row.state == 'running' then row.takeovers = math.min(row.takeovers + 1, MAX_TAKEOVERS) end
  for _, pair in ipairs(runs.all('w', id)) do
    local deadline = pair[2][W_DEADLINE]
    if deadline >= 0 and deadline <= now then runs.answer_late(id, pair[1], pair[2]) end
  end
  if row.cleanup_at >= 0 and standing[row.state] then
    row.cleanup_at = math.max(row.cleanup_at, now + row.lease_ms) -- nobody had it in hand
  end
  row.state, row.owner, row.fence, row.number = 'running', worker, next_numbers('fence', 1), 0
  row.due_at, row.suspend_at, row.reason = now + row.lease_ms, -1, ''
  row.doubt = ARGV[5] == '1' and 1 or 0
  if row.started_at < 0 then row.started_at = now end
  runs.save(id, row)
  taken[#taken + 1] = {id, cmsgpack.pack(row), call('GET', F .. 'p:' .. id) or '', flat('s', id), flat('w', id), last, now}
end

-- How many places each line gets, as core/share.py decides.
local function shares()
  if #lines == 1 then return {limit} end -- as most claims are: nothing has to be counted
  local waiting, given, left = {}, {}, limit
  for k, line in ipairs(lines) do
    waiting[k], given[k] = call('ZCOUNT', F .. 'due:' .. line, '-inf', now), 0
  end
  while left > 0 do
    local short = {}
    for k, most in ipairs(waiting) do
      if given[k] < most then short[#short + 1] = k end
    end
    if #short == 0 then break end
    local equal = math.max(1, math.floor(left / #short))
    for _, k in ipairs(short) do
      local more = math.min(equal, waiting[k] - given[k], left)
      given[k], left = given[k] + more, left - more
    end
  end
  return given
end

runs.work(WAKE_LIMIT)
runs.flush()
local places = shares()
for k, line in ipairs(lines) do
  if places[k] > 0 then
    for _, id in ipairs(call('ZRANGEBYSCORE', F .. 'due:' .. line, '-inf', now, 'LIMIT', 0, places[k])) do
      local row = runs.get(id)
      if row and row.due_at >= 0 and row.due_at <= now then
        if not is_doubted(id, row) then hand_out(id, row) end
      else -- somebody took its state away
        call('ZREM', F .. 'due:' .. line, id)
      end
    end
  end
end
runs.finish()
if #taken > 1 then get_up(worker) else lie_down(worker, ARGV[4], lines) end
taken[1] = runs.next_look(lines)
return taken
