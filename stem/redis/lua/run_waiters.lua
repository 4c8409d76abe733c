-- run_waiters(skew, topic, '1' for all keys, limit) -> {run, workflow, key, wait, ...}
-- uses: run_life
local topics, found = {ARGV[2]}, {}
if ARGV[3] == '1' then
  topics = call('ZRANGEBYLEX', F .. 'topics', '[' .. ARGV[2], '[' .. ARGV[2] .. '\255')
end
for _, topic in ipairs(topics) do
  for _, member in ipairs(call('ZRANGE', F .. 't:' .. topic, 0, ARGV[4] - 1)) do
    local id, key = string.match(member, '^(.-)%z(.*)$')
    local row, wait = runs.get(id), call('HGET', F .. 'w:' .. id, key)
    if row and wait then
      found[#found + 1] = id
      found[#found + 1] = row.workflow
      found[#found + 1] = key
      found[#found + 1] = wait
    end
  end
end
return found
