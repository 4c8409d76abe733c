-- uses: publishing
-- Jobs of any kind; see publish.lua.
local ids, keys, rings, answers = {}, {}, {}, {}
for i = 2, #ARGV, 8 do
  ids[#ids + 1] = ARGV[i]
  keys[#keys + 1] = P .. 'r:' .. ARGV[i]
end
load(ids)
for i, value in ipairs(mget(keys)) do results[ids[i]] = value end
for i = 2, #ARGV, 8 do
  local status, holder = publish({unpack(ARGV, i, i + 7)}, rings)
  answers[#answers + 1] = status
  answers[#answers + 1] = holder
end
flush()
ring_all(rings)
return answers
