-- settle(skew, {id, fence, kind, a, b, c, d, e, effects}...) -> {answer...}
-- Store settlements, each if its fence holds: 1: done, 0: stale, 2: stored before. Kinds: see lib/ending.lua.
-- uses: ending
local ids, rings, answers = {}, {}, {}
for i = 2, #ARGV, 9 do ids[#ids + 1] = ARGV[i] end
load(ids)
for i = 2, #ARGV, 9 do
  local id, fence = ARGV[i], ARGV[i + 1]
  local job = held(id, fence)
  if job then
    stop_running(id, job)
    job[LOSSES], job[SETTLED] = 0, job[FENCE]
    apply(id, job, {unpack(ARGV, i, i + 8)}, rings)
    answers[#answers + 1] = 1
  else
    answers[#answers + 1] = stored_before(id, fence) and 2 or 0
  end
end
flush()
ring_all(rings)
return answers
