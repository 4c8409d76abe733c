-- due_entries(skew, limit) -> {changes so far, ms to the next or '', id, entry, ...}
-- Enabled entries whose time has come, earliest first.
-- uses: schedules
local limit = tonumber(ARGV[2])
local answers = {call('GET', P .. 'schn') or '0', ''}
local timed = call('ZRANGE', P .. 'schz', 0, limit, 'WITHSCORES')
local due = 0
while due < limit and timed[2 * due + 2] and tonumber(timed[2 * due + 2]) <= now do
  due = due + 1
  local id = timed[2 * due - 1]
  answers[#answers + 1] = id
  answers[#answers + 1] = call('HGET', P .. 'sch', id)
end
local at = timed[2 * due + 2]
if at then answers[2] = math.max(0, at - now) end
return answers
