-- complete_run(skew, run, key, source, outcome, value) -> 1 when it was waited for, or 0
-- when full: goes on
-- uses: run_life
local done = runs.complete(ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6])
runs.finish()
return done and 1 or 0
