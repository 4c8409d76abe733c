-- define_limits(skew, force, {name, row}...) -> nothing
-- Write limits; hash 'limd' keeps what was declared, so that an operator's own row outlives it.
-- when full: goes on
-- uses: limits
-- numbers: SCAN_LIMIT
for i = 3, #ARGV, 2 do
  local name, row = ARGV[i], ARGV[i + 1]
  local declared = call('HGET', P .. 'limd', name)
  if ARGV[2] == '1' or declared ~= row then
    if ARGV[2] ~= '1' or not declared then call('HSET', P .. 'limd', name, row) end
    call('HSET', P .. 'lim', name, row)
    rows[name] = nil
    for _, key in ipairs(call('SMEMBERS', P .. 'pk:' .. name)) do
      unpark(key, SCAN_LIMIT)
      call('ZADD', P .. 'pt', now + 1, key)
      call('ZADD', P .. 'ps', now, key)
    end
  end
end
flush()
