-- uses: lease line limits unique sleepers watchers
-- numbers: SCAN_LIMIT PROMOTE_LIMIT GUARD_EVERY LEVELS
-- A claim of any kind; see claim.lua.
local limit, worker, address, strict = tonumber(ARGV[2]), ARGV[3], ARGV[4], string.find(ARGV[5], 's', 1, true)
local queues = {unpack(ARGV, 6)}
local renews = string.find(ARGV[5], 'r', 1, true)
local taken, looked, fence, size = {-1}, SCAN_LIMIT, nil, 0
local promoted_left = {}

-- Once, a lease that has ended is doubted, when its holder renews its leases.
local function is_doubted(id, job)
  if not has(job, RENEWS) or has(job, DOUBTED) then return false end
  mark(job, DOUBTED)
  hold(job[QUEUE], id, now + doubt_ms(job[LEASE]))
  save(id, job)
  return true
end

-- Back in line: what was put aside until now, and what was lost; how many.
local function promote(queue)
  local due = call('ZRANGEBYSCORE', P .. 'z:' .. queue, '-inf', now, 'LIMIT', 0, PROMOTE_LIMIT)
  if #due > 0 then
    many('ZREM', due, P .. 'z:' .. queue)
    load(due)
    for i = 1, #due do
      local job = find(due[i])
      if job then
        push_back(due[i], job)
        save(due[i], job)
      end
    end
    count(queue, 'delayed', -#due)
  end
  local lost = call('ZRANGEBYSCORE', P .. 'l:' .. queue, '-inf', now, 'LIMIT', 0, PROMOTE_LIMIT)
  local doubted = 0
  if #lost > 0 then
    load(lost)
    for i = 1, #lost do
      local job = find(lost[i])
      if job and is_doubted(lost[i], job) then
        doubted = doubted + 1
      elseif job then
        job[LOSSES] = job[LOSSES] + 1
        job[CHANGES] = job[CHANGES] + 1
        count(queue, 'lost', 1)
        stop_running(lost[i], job)
        push_back(lost[i], job)
        save(lost[i], job)
        tell_changed(lost[i])
      else -- somebody took its state away
        let_go(queue, lost[i])
        count(queue, 'running', -1)
      end
    end
  end
  return #due + #lost - doubted
end

-- Why a job is handed out only to be settled, as core/lease.py decides.
local function ended(job)
  if job[LOSSES] >= job[MAX_LOSSES] then return 'lost' end
  if job[EXPIRES] >= 0 and job[EXPIRES] <= now then return 'expired' end
  return ''
end

local function hand_out(id, job, bytes, why)
  if not fence then fence = next_numbers('fence', 1) end
  job[STATE], job[WORKER], job[STARTED], job[FENCE] = RUNNING, worker, now, fence
  job[DELIVERIES], job[CHANGES] = job[DELIVERIES] + 1, job[CHANGES] + 1
  count(job[QUEUE], 'running', 1)
  if renews then mark(job, RENEWS) end
  hold(job[QUEUE], id, now + job[LEASE])
  if has(job, UNTIL_START) then free_unique(id, job) end
  jobs[id], dirty[id] = job, struct.pack(WHOLE, unpack(job, 1, 20))
  tell_changed(id)
  local reason, overrides = false, ''
  if has(job, EXTRA) then
    local more = call('HMGET', P .. 'x:' .. id, 'overrides', 'cancel')
    overrides, reason = more[1] or '', has(job, CANCEL) and more[2]
  end
  taken[#taken + 1] = {id, dirty[id], bytes, why, reason, overrides}
end

-- Hand out a job that was taken out of its line, or park it.
local function give(id, job, bytes)
  local why = ended(job)
  if has(job, LIMITED) then
    local runs, keys = why == '' and not has(job, CANCEL), call('HMGET', P .. 'x:' .. id, 'limit', 'rate')
    local over = runs and over_limit(job, keys[1], keys[2]) or ''
    if over ~= '' then park(id, job, over) end
    if not runs or (over ~= '' and over ~= keys[1]) then pass_room_on(id, job) end
    if over ~= '' then return end
  end
  size = size + #(bytes or '')
  hand_out(id, job, bytes or '', why) -- one whose envelope is gone cannot be read, and is buried for that
end

-- Take up to `most` of a level out of the line, those that came back and those in the stream merged by their order.
local function take(line, queue, level, most)
  local back, fresh, found = {}, {}, {}
  local queued, waiting = line[queued_at(level)], line[back_at(level)]
  if waiting > 0 then
    back = call('ZRANGE', P .. 'b' .. level .. ':' .. queue, 0, most - 1, 'WITHSCORES')
  end
  if queued > waiting then
    local after = '(' .. string.format('%.0f', line[cursor_at(level)])
    fresh = call('XRANGE', P .. 's' .. level .. ':' .. queue, after, '+', 'COUNT', most)
  end
  local b, f, returned = 1, 1, {}
  while #found < most and (back[b] or fresh[f]) do
    local entry = fresh[f]
    local seq = entry and tonumber(string.match(entry[1], '^%d+'))
    if back[b] and (not seq or tonumber(back[b + 1]) < seq) then
      returned[#returned + 1] = back[b]
      found[#found + 1] = {back[b]}
      b = b + 2
    else
      line[cursor_at(level)] = seq
      found[#found + 1] = {entry[2][1], entry[2][2], entry[1]}
      f = f + 1
    end
  end
  many('ZREM', returned, P .. 'b' .. level .. ':' .. queue)
  line[queued_at(level)] = #found == 0 and 0 or queued - #found
  line[back_at(level)] = #found == 0 and 0 or waiting - #returned
  return found
end

local function highest(line)
  for level = 9, 0, -1 do
    if line[queued_at(level)] > 0 then return level end
  end
end

-- The level that this claim serves first, as core/priority.py decides, or nil.
local function guarded(line)
  local tick, turn = line[TICK], is_guarded(line)
  line[TICK] = tick + 1
  if strict or not turn then return nil end
  local level = LEVELS - 1 - math.floor(tick / GUARD_EVERY) % LEVELS
  for step = 0, LEVELS - 1 do
    local here = (level - step) % LEVELS
    if line[queued_at(here)] > 0 then return here end
  end
end

-- Envelopes of their own, with one command for all.
local function fetch_envelopes(found)
  local places, keys = {}, {}
  for i = 1, #found do
    local job = not found[i][2] and find(found[i][1])
    if job and has(job, OWN) then
      places[#places + 1] = i
      keys[#keys + 1] = P .. 'm:' .. found[i][1]
    end
  end
  for k, bytes in ipairs(mget(keys)) do found[places[k]][2] = bytes end
end

-- Hand out of one line until the claim has its `limit`. A claim counts for the queues that it takes jobs from.
local function serve(line, queue)
  if #taken - 1 == limit or looked == 0 or not highest(line) then return end
  local first = guarded(line)
  while #taken - 1 < limit and looked > 0 and size < SIZE do
    local level = first or highest(line)
    if not level then return end
    local given, fits = #taken - 1, 16
    if given > 0 and size > 0 then fits = math.max(1, math.floor((SIZE - size) * given / size)) end
    local found = take(line, queue, level, first and 1 or math.min(limit - given, looked, fits))
    first = nil
    local ids = {}
    for i = 1, #found do ids[i] = found[i][1] end
    load(ids)
    fetch_envelopes(found)
    for i = 1, #found do
      local job = find(ids[i])
      if job and job[STATE] == QUEUED then
        looked = looked - 1
        give(ids[i], job, found[i][2] or envelope(ids[i], job))
      elseif not job and found[i][3] then -- somebody took its state away
        call('XDEL', P .. 's' .. level .. ':' .. queue, found[i][3])
      end
    end
  end
end

unpark_due()
for _, queue in ipairs(queues) do
  if find_line(queue) then
    local promoted, line, before = promote(queue), get_line(queue), #taken
    if line[PAUSED] == 0 then
      serve(line, queue)
      promoted_left[queue] = promoted - (#taken - before)
    end
  end
end
flush()
if #taken > 1 then
  get_up(worker)
elseif looked > 0 then
  lie_down(worker, address, queues)
end
for queue, jobs_ in pairs(promoted_left) do ring(queue, jobs_) end
if looked == 0 then
  taken[1] = -2
else
  local due, latest = first_of(P .. 'pt'), call('ZRANGE', P .. 'ps', -1, -1, 'WITHSCORES')[2]
  if latest and tonumber(latest) > now then due = now end
  for _, queue in ipairs(queues) do
    local at = next_timer(queue)
    if at and (not due or at < due) then due = at end
  end
  if due then taken[1] = math.max(0, due - now) end
end
return taken
