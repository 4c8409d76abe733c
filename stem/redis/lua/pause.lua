-- pause(skew, queue, paused) -> nothing
-- Hand out nothing more, or again; a queue that goes on wakes as many workers as it has jobs.
-- when full: goes on
-- uses: line
local line = get_line(ARGV[2])
line[PAUSED] = ARGV[3] == '1' and 1 or 0
local queued = 0
for level = 0, 9 do queued = queued + line[queued_at(level)] end
flush()
if line[PAUSED] == 0 then ring(ARGV[2], math.max(1, queued)) end
