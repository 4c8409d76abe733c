-- release_lock(skew, name, owner, token) -> 1, or 0 when it is not held under this token
-- Let go and tell who waits.
-- when full: goes on
-- uses: locks
local token, _, owner = holder_of(ARGV[2])
if token ~= ARGV[4] or owner ~= ARGV[3] then return 0 end
call('UNLINK', P .. 'lk:' .. ARGV[2])
tell('l:' .. ARGV[2])
return 1
