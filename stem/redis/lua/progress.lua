-- progress(skew, id, fence, progress) -> 1, or 0 when the lease is lost
-- Keep a note beside a running job and tell who watches.
-- when full: goes on
-- uses: ending watchers
local id = ARGV[2]
local job = held(id, ARGV[3])
if not job then return 0 end
extra(id, job, 'progress', ARGV[4])
job[CHANGES] = job[CHANGES] + 1
save(id, job)
tell_changed(id)
flush()
return 1
