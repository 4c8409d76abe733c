-- resume_run(skew, run) -> 1, or 0 when it does not stand still
-- when full: goes on
-- uses: run_life
local row = runs.get(ARGV[2])
if not row or (row.state ~= 'quarantined' and row.state ~= 'blocked') then return 0 end
row.state, row.due_at, row.takeovers, row.blocks, row.reason = 'queued', now, 0, 0, ''
runs.save(ARGV[2], row)
runs.ring(row)
runs.finish()
return 1
