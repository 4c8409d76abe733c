-- replay(skew, delay ms, id...) -> {status, holder, ...}
-- Dead letters into their lines again; status 1: replayed, 0: gone, 2: the unique key is held.
-- when full: goes on
-- uses: dead watchers
local answers = {}
for i = 3, #ARGV do
  local id = ARGV[i]
  local job, holder, status = dead_letter(id), nil, 0
  if job and has(job, UNIQUE) then
    local key, for_ms = extra_of(id, job, 'unique'), extra_of(id, job, 'for_ms') or ''
    holder = take_unique(id, key, for_ms)
    if holder then status = 2 end
  end
  if job and not holder then
    off_the_lists(id, job)
    forget_result(id)
    local replays = tonumber(extra_of(id, job, 'replays') or 0) + 1
    call('HDEL', P .. 'x:' .. id, 'reason', 'record', 'died', 'dead_until', 'error', 'overrides', 'progress', 'cancel', 'parked')
    extra(id, job, 'replays', replays)
    job[ATTEMPTS], job[LOSSES], job[EXPIRES], job[READY], status = 0, 0, -1, now + ARGV[2], 1
    job[CHANGES], job[WORKER], job[STARTED] = job[CHANGES] + 1, '', -1
    unmark(job, CANCEL)
    put(id, job)
    tell_changed(id)
  end
  answers[#answers + 1] = status
  answers[#answers + 1] = holder or ''
end
flush()
return answers
