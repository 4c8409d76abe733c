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
