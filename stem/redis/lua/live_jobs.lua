-- live_jobs(skew, before, limit, queue...) -> {{id, state, lease until or '', {name, value...}}...}
-- The newest live jobs with a number below `before`, newest first: up to `limit` of each place in which they may lie.
-- uses: line rows
local before, limit = ARGV[2], tonumber(ARGV[3])
local ids, answers = {}, {}
for i = 4, #ARGV do
  for _, id in ipairs(call('ZREVRANGEBYSCORE', P .. 'aside:' .. ARGV[i], '(' .. before, '-inf', 'LIMIT', 0, limit)) do
    ids[#ids + 1] = id
  end
  for level = 0, 9 do
    local key = P .. 's' .. level .. ':' .. ARGV[i]
    for _, entry in ipairs(call('XREVRANGE', key, '(' .. before .. '-0', '-', 'COUNT', limit)) do
      ids[#ids + 1] = entry[2][1]
    end
  end
end
add_rows(ids, answers)
return answers
