-- cancel_run(skew, run, reason, by, '1' to terminate) -> cancelled, requested, ending, ended or unknown
-- when full: goes on
-- uses: run_life
local row, said = runs.get(ARGV[2]), 'unknown'
if row then said = over[row.state] and 'ended' or runs.cancel(ARGV[2], row, ARGV[3], ARGV[4], ARGV[5] == '1') end
runs.finish()
return said
