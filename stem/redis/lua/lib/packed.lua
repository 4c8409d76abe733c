-- uses: base
-- numbers: LISTED LISTED_UNSUCCESSFUL LISTED_OF_TASK LISTED_TASKS
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

-- The last finished jobs and a few more, newest first: number, packed, and id. `name`: a list of its own for what did not
-- succeed, so that successes do not push it out.
local function note_finished(list, name)
  if #list == 0 then return end
  local key, most = P .. (name or 'recent'), name and LISTED_UNSUCCESSFUL or LISTED
  many('LPUSH', list, key)
  if call('LLEN', key) > most * 1.1 then call('LTRIM', key, 0, most - 1) end
end

-- The last of each task and a few more, so that the jobs of others do not push them out; when LISTED_TASKS have a list, the
-- others share one. `lists`: by task, entries as above, the newest last.
local function note_finished_of(lists)
  local most = LISTED_OF_TASK + LISTED_OF_TASK / 10
  for task, list in pairs(lists) do
    local key, first = P .. 'recent:t:' .. task, math.max(1, #list - most + 1)
    local size = call('LPUSHX', key, unpack(list, first))
    if size == 0 then
      if call('SCARD', P .. 'recent:tasks') < LISTED_TASKS then call('SADD', P .. 'recent:tasks', task) else key = P .. 'recent:t:' end
      size = call('LPUSH', key, unpack(list, first))
    end
    if size > most then call('LTRIM', key, 0, LISTED_OF_TASK - 1) end
  end
end
