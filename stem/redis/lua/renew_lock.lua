-- renew_lock(skew, name, owner, token, ttl ms) -> until, or nothing when it is not held under this token
-- when full: goes on
-- uses: locks
local token, _, owner = holder_of(ARGV[2])
if token ~= ARGV[4] or owner ~= ARGV[3] then return false end
hold_lock(ARGV[2], token, now + ARGV[5], owner, tonumber(ARGV[5]))
return now + ARGV[5]
