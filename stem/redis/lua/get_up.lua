-- get_up(skew, pass on, worker, queue...) -> nothing
-- A worker stops waiting. `pass on`: it was rung and did not hear it, so the next one is rung.
-- when full: goes on
-- uses: sleepers
local was_asleep = get_up(ARGV[3])
if ARGV[2] == '1' and not was_asleep then
  for i = 4, #ARGV do ring(ARGV[i], 1) end
end
