-- acquire_tokens(skew, key, tokens) -> {ok, ms to wait, count, per, burst}; ok is -1 for a number that is never held
-- Take tokens outside of a claim; without a limit they are free.
-- when full: goes on
-- uses: limits
local key, tokens = ARGV[2], tonumber(ARGV[3])
local bucket = limit_of(key)
if not bucket then return {1, 0} end
if tokens < 1 or tokens > bucket[3] then return {-1, 0, bucket[1], bucket[2], bucket[3]} end
local level, ok = take_tokens(bucket, level_of(key, bucket), now, tokens)
save_level(key, bucket, level)
return {ok and 1 or 0, ok and 0 or wait_for(bucket, level, now, tokens)}
