-- run(skew, run, '1' for the whole of it) -> {now} or {now, row, params, outcome, steps, waits, messages, aside, {child, row}...}
-- uses: run_life
local id = ARGV[2]
local value = call('GET', F .. 'r:' .. id)
if not value then return {now} end
local said = {now, value, call('GET', F .. 'p:' .. id) or '', call('GET', F .. 'o:' .. id) or ''}
if ARGV[3] == '1' then
  said[5], said[6] = call('HGETALL', F .. 's:' .. id), call('HGETALL', F .. 'w:' .. id)
  said[7], said[8], said[9] = call('HGETALL', F .. 'm:' .. id), call('LRANGE', F .. 'a:' .. id, 0, -1), {}
  for _, child in ipairs(call('ZRANGE', F .. 'ch:' .. id, 0, 999)) do
    local row = call('GET', F .. 'r:' .. child)
    if row then
      said[9][#said[9] + 1] = child
      said[9][#said[9] + 1] = row
    end
  end
end
return said
