-- renew(skew, {id, fence, lease ms or ''}...) -> {answer...}
-- Hold deliveries longer; 0: lost, 1: held, or the reason why somebody wants it to end.
-- when full: goes on
-- uses: ending
local ids, answers = {}, {}
for i = 2, #ARGV, 3 do ids[#ids + 1] = ARGV[i] end
load(ids)
for i = 2, #ARGV, 3 do
  local id = ARGV[i]
  local job = held(id, ARGV[i + 1])
  if not job then
    answers[#answers + 1] = 0
  else
    hold(job[QUEUE], id, now + (ARGV[i + 2] == '' and job[LEASE] or tonumber(ARGV[i + 2])))
    if has(job, DOUBTED) then
      unmark(job, DOUBTED)
      save(id, job)
    end
    answers[#answers + 1] = has(job, CANCEL) and extra_of(id, job, 'cancel') or 1
  end
end
flush()
return answers
