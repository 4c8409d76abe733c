-- emit(skew, topic, id, payload, ttl ms) -> {1 when it is new or 0, how many were woken, 1 when there are more or 0}
-- uses: run_life
local new, woken, more = runs.emit(ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5]))
runs.finish()
return {new and 1 or 0, woken, more and 1 or 0}
