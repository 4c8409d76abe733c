-- stats(skew, queue...) -> {{queue, line, {name, value...}} or {} ...}
-- Queues in numbers; all of them when none is named.
-- uses: base
local answers = {}
for i = 2, #ARGV do
  local line = call('GET', P .. 'h:' .. ARGV[i])
  answers[#answers + 1] = line and {ARGV[i], line, call('HGETALL', P .. 'n:' .. ARGV[i])} or {}
end
if #ARGV == 1 then
  for _, queue in ipairs(call('SMEMBERS', P .. 'qs')) do
    answers[#answers + 1] = {queue, call('GET', P .. 'h:' .. queue), call('HGETALL', P .. 'n:' .. queue)}
  end
end
return answers
