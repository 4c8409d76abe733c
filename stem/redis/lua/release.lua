-- release(skew, again in ms or '', {id, fence}...) -> {answer...}
-- Give deliveries back unharmed; 1: done, 0: stale. With a time the job was not run: it keeps its losses and waits so long.
-- when full: goes on
-- uses: ending watchers
local answers, again_in = {}, tonumber(ARGV[2])
for i = 3, #ARGV, 2 do
  local id = ARGV[i]
  local job = held(id, ARGV[i + 1])
  if job then
    stop_running(id, job)
    if not again_in then job[LOSSES] = 0 end
    job[READY], job[CHANGES] = has(job, CANCEL) and now or now + (again_in or 0), job[CHANGES] + 1
    put(id, job)
    tell_changed(id)
  end
  answers[#answers + 1] = job and 1 or 0
end
flush()
return answers
