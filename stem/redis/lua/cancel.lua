-- cancel(skew, reason, {id, fence, kind, a, b, c, d, e, effects}) -> {status, state}
-- End a job that waits by this settlement, or ask its worker to; status as in contracts/broker.py.
-- when full: goes on
-- uses: ending watchers
local one = {unpack(ARGV, 3, 11)}
local id = one[1]
local job, rings = find(id), {}
if not job then
  local value = result(id)
  if value then return {'finished', (struct.unpack(RESULT, value))} end
  if one[3] == 'F' then
    local nobody = {[SETTLED] = -1, [SEQ] = next_numbers('seq', 1), [DELIVERIES] = 0, [QUEUE] = '', [TASK] = '', [WORKER] = ''}
    keep(id, nobody, CANCELLED, one[5], one[6])
    list_finished(id, nobody, CANCELLED)
    tell_ended(id)
    flush()
  end
  return {'cancelled', CANCELLED}
end
if job[STATE] == RUNNING then
  if not has(job, CANCEL) then
    mark(job, CANCEL)
    extra(id, job, 'cancel', ARGV[2])
    job[CHANGES] = job[CHANGES] + 1
    save(id, job)
    tell_changed(id)
    flush()
  end
  return {'requested', CANCELLED}
end
if job[STATE] == FAILED or job[STATE] == CANCELLED then return {'finished', job[STATE]} end
take_out(id, job)
job[SETTLED] = -1
apply(id, job, one, rings)
flush()
ring_all(rings)
return {'cancelled', CANCELLED}
