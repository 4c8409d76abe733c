-- uses: base job heads sleepers
-- A queue: its head; streams 's<level>:<queue>' of envelopes in order of arrival; zsets 'b<level>:<queue>' of jobs that
-- came back, by the same order; zset 'z:<queue>' of delays; zset 'l:<queue>' of leases; hash 'n:<queue>' of numbers; set
-- 'qs' of all queues.

local numbers, leased, unleased = {}, {}, {}

-- The queue, made on first use.
local function get_line(queue)
  local line = find_line(queue)
  if not line then line = new_line(queue) end
  line.changed = true
  return line
end

local function count(queue, name, by)
  local here = numbers[queue]
  if not here then here = {}; numbers[queue] = here end
  here[name] = (here[name] or 0) + by
end

local function hold(queue, id, till)
  local list = leased[queue]
  if not list then list = {}; leased[queue] = list end
  list[#list + 1] = till
  list[#list + 1] = id
end

local function let_go(queue, id)
  local list = unleased[queue]
  if not list then list = {}; unleased[queue] = list end
  list[#list + 1] = id
end

flushes[#flushes + 1] = function()
  for queue, list in pairs(unleased) do many('ZREM', list, P .. 'l:' .. queue) end
  for queue, list in pairs(leased) do many('ZADD', list, P .. 'l:' .. queue) end
  for queue, here in pairs(numbers) do
    for name, by in pairs(here) do
      if by ~= 0 then call('HINCRBY', P .. 'n:' .. queue, name, by) end
    end
  end
  for queue, line in pairs(lines) do
    if line and line.changed then
      line.changed = nil
      save_line(queue, line)
    end
  end
  unleased, leased, numbers = {}, {}, {}
end

-- The earliest instant at which something of this queue becomes due, or nil.
local function next_timer(queue)
  local delay, lease = first_of(P .. 'z:' .. queue), first_of(P .. 'l:' .. queue)
  if delay and lease then return math.min(delay, lease) end
  return delay or lease
end

-- Where a claim will find it, by its order of arrival.
local function push_back(id, job)
  local line = get_line(job[QUEUE])
  job[STATE] = QUEUED
  line[queued_at(job[PRIO])] = line[queued_at(job[PRIO])] + 1
  line[back_at(job[PRIO])] = line[back_at(job[PRIO])] + 1
  call('ZADD', P .. 'b' .. job[PRIO] .. ':' .. job[QUEUE], job[SEQ], id)
end

-- Aside until its time. Whoever sleeps on the queue is woken when this timer is now the earliest.
local function push_delayed(id, job)
  job[STATE] = DELAYED
  local earliest = next_timer(job[QUEUE])
  call('ZADD', P .. 'z:' .. job[QUEUE], job[READY], id)
  count(job[QUEUE], 'delayed', 1)
  if not earliest or job[READY] < earliest then ring(job[QUEUE], 1) end
end

-- Into the line again, or aside until `job[READY]`; and wake a worker.
local function put(id, job)
  if job[READY] > now then
    move_out(id, job)
    push_delayed(id, job)
  else
    push_back(id, job)
    ring(job[QUEUE], 1)
  end
  save(id, job)
end

-- Out of the numbers of what is ready, whether it is still in its stream or has come back.
local function take_ready(id, job)
  local line, level = get_line(job[QUEUE]), job[PRIO]
  line[queued_at(level)] = line[queued_at(level)] - 1
  if has(job, OWN) or job[SEQ] <= line[cursor_at(level)] then
    line[back_at(level)] = line[back_at(level)] - 1
    call('ZREM', P .. 'b' .. level .. ':' .. job[QUEUE], id)
  end
end
