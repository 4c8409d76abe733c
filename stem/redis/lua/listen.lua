-- listen(skew, channel, after, limit, address) -> {position, message...}; no message: `address` is told of the next
-- when full: goes on
-- uses: topics
local answers, limit, after = {ARGV[3]}, tonumber(ARGV[4]), ARGV[3]
while #answers <= limit do
  local entries = call('XRANGE', P .. 'c:' .. ARGV[2], '(' .. after, '+', 'COUNT', limit)
  if #entries == 0 then break end
  for _, entry in ipairs(entries) do
    after = string.match(entry[1], '^%d+')
    if tonumber(entry[2][2]) > now and #answers <= limit then
      answers[#answers + 1], answers[1] = entry[2][4], after
    end
  end
end
if #answers == 1 then arm('c:' .. ARGV[2], ARGV[5]) end
return answers
