-- await_change(skew, id, address, version) -> another version, or nothing: `address` will be told
-- when full: goes on
-- uses: records watchers
local version = version_of(ARGV[2])
if version ~= ARGV[4] then return version end
arm_job('j', ARGV[2], ARGV[3])
return false
