-- release(skew, {id, fence}...) -> {answer...}
-- Give deliveries back unharmed; 1: done, 0: stale.
-- uses: ending watchers
local answers = {}
for i = 2, #ARGV, 2 do
  local id = ARGV[i]
  local job = held(id, ARGV[i + 1])
  if job then
    stop_running(id, job)
    job[LOSSES], job[READY], job[CHANGES] = 0, now, job[CHANGES] + 1
    put(id, job)
    tell_changed(id)
  end
  answers[#answers + 1] = job and 1 or 0
end
flush()
return answers
