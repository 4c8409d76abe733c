-- dead_page(skew, newest, before id, oldest, limit) -> {id, died, ...}
-- Up to `limit` ids of dead letters from `newest` back to `oldest` (unix ms, or '+inf' and '-inf'), newest first; with
-- `before id` those that died at `newest` itself count only below it.
-- uses: base
local newest, before, oldest, limit = ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
local key, answers = P .. 'dead', {}
if before ~= '' then
  for _, id in ipairs(call('ZREVRANGEBYSCORE', key, newest, newest)) do
    if id < before and #answers < 2 * limit then
      answers[#answers + 1] = id
      answers[#answers + 1] = newest
    end
  end
  newest = '(' .. newest
end
local more = call('ZREVRANGEBYSCORE', key, newest, oldest, 'WITHSCORES', 'LIMIT', 0, limit - #answers / 2)
for i = 1, #more do answers[#answers + 1] = more[i] end
return answers
