-- await_end(skew, id, address) -> {record}, {} for an id that is not known, or nothing: `address` will be told
-- when full: goes on
-- uses: records watchers
local record = record_of(ARGV[2])
if record then return {record} end
if not find(ARGV[2]) then return {} end
arm_job('e', ARGV[2], ARGV[3])
return false
