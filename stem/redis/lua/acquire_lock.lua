-- acquire_lock(skew, name, owner, ttl ms, address) -> {1, token, until}, or {0, ms until it is free}: `address` is told
-- Take the lock, unless another owner holds it. With an empty address nobody is told.
-- when full: goes on
-- uses: locks
local name, owner, ttl = ARGV[2], ARGV[3], tonumber(ARGV[4])
local _, till, there = holder_of(name)
if there and there ~= owner then
  arm('l:' .. name, ARGV[5])
  return {0, till - now}
end
local token = string.format('%.0f', next_numbers('fence', 1))
hold_lock(name, token, now + ttl, owner, ttl)
return {1, token, now + ttl}
