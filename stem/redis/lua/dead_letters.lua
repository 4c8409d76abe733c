-- dead_letters(skew, with envelope, id...) -> {{id, state, {name, value...}, envelope} or {} ...}
-- These dead letters, while they are kept.
-- uses: dead
local ids, answers = {unpack(ARGV, 3)}, {}
load(ids)
for i = 1, #ids do
  local job = dead_letter(ids[i])
  local bytes = job and ARGV[2] == '1' and envelope(ids[i], job) or ''
  answers[i] = job and {ids[i], strings[ids[i]], call('HGETALL', P .. 'x:' .. ids[i]), bytes} or {}
end
return answers
