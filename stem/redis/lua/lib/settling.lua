-- uses: ending
-- Settlements of any kind, whose places in ARGV are given; the answers go to the places given beside them.
local places, answers = ...
local ids, rings = {}, {}
for k = 1, #places do ids[k] = ARGV[places[k]] end
load(ids)
for k = 1, #places do
  local i = places[k]
  local id, fence = ARGV[i], ARGV[i + 1]
  local job = held(id, fence)
  if job then
    stop_running(id, job)
    job[LOSSES], job[SETTLED] = 0, job[FENCE]
    apply(id, job, {unpack(ARGV, i, i + 8)}, rings)
    answers[(i + 7) / 9] = 1
  else
    answers[(i + 7) / 9] = stored_before(id, fence) and 2 or 0
  end
end
flush()
ring_all(rings)
