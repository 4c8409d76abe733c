-- page_runs(skew, index, below or '', limit) -> {run, row, ...}: of one index the newest below a number
-- uses: run_life
local found = {}
local top = ARGV[3] == '' and '+inf' or '(' .. ARGV[3]
for _, id in ipairs(call('ZREVRANGEBYSCORE', F .. ARGV[2], top, '-inf', 'LIMIT', 0, ARGV[4])) do
  local row = call('GET', F .. 'r:' .. id)
  if row then
    found[#found + 1] = id
    found[#found + 1] = row
  end
end
return found
