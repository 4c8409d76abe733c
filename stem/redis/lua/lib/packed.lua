-- uses: base
-- How a job and a result are packed. A job: HEAD, then max losses, lease, result ttl, and the names of queue, task and
-- worker, each with a zero behind it. Times are unix ms or ms, -1 where there is none.

local QUEUED, DELAYED, PARKED, RUNNING, SUCCEEDED, FAILED, CANCELLED = 0, 1, 2, 3, 4, 5, 6
-- State, priority, flags; number, fence; deliveries, changes, attempts, losses; fence of the last settlement; times of
-- enqueue, readiness, expiry, start.
local HEAD = '<BBHddI4I4I4I4ddddd'
-- State, end, until when it is kept, number, fence, deliveries; the three names; then the record.
local RESULT = '<BddddI4sss'

local function is_kept(result)
  local _, _, till = struct.unpack('<Bdd', result)
  return till > now
end

-- The last 10,000 finished jobs and a few more, newest first: number, packed, and id. `name`: a list of its own for what
-- did not succeed, so that successes do not push it out.
local function note_finished(list, name, most)
  if #list == 0 then return end
  local key = P .. (name or 'recent')
  most = most or 10000
  many('LPUSH', list, key)
  if call('LLEN', key) > most * 1.1 then call('LTRIM', key, 0, most - 1) end
end

-- The last 200 of each task and a few more, so that the jobs of others do not push them out; after 500 tasks the others
-- share one list. `lists`: by task, entries as above, the newest last.
local function note_finished_of(lists)
  for task, list in pairs(lists) do
    local key, first = P .. 'recent:t:' .. task, math.max(1, #list - 219)
    local size = call('LPUSHX', key, unpack(list, first))
    if size == 0 then
      if call('SCARD', P .. 'recent:tasks') < 500 then call('SADD', P .. 'recent:tasks', task) else key = P .. 'recent:t:' end
      size = call('LPUSH', key, unpack(list, first))
    end
    if size > 220 then call('LTRIM', key, 0, 199) end
  end
end
