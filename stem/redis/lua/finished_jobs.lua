-- finished_jobs(skew, id...) -> {result or '' ...}
-- The results of these ids while they live, '' for an id that is a live job again or a dead letter.
-- uses: job
local ids, keys, answers = {unpack(ARGV, 2)}, {}, {}
for i = 1, #ids do keys[i] = P .. 'r:' .. ids[i] end
load(ids)
for i, value in ipairs(mget(keys)) do
  results[ids[i]] = value
  answers[i] = not strings[ids[i]] and result(ids[i]) or ''
end
return answers
