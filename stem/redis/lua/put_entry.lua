-- put_entry(skew, id, expect or '', next or '', enabled, last or '', fired, spec) -> the entry, or nothing
-- Store a rule with its next version, unless the stored version is not the one expected.
-- uses: schedules
local there = get_entry(ARGV[2])
local version = there and tonumber(there[1]) or 0
if ARGV[3] ~= '' and tonumber(ARGV[3]) ~= version then return false end
return put_entry(ARGV[2], {version + 1, ARGV[4], ARGV[5], ARGV[6], ARGV[7], ARGV[8]})
