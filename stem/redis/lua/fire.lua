-- fire(skew, id, version, at, next or '', what is handed on or nothing) -> 1, or 0 when it has moved
-- One firing: publish, note it, move on.
-- uses: schedules publishing groups
local entry, rings = get_entry(ARGV[2]), {}
if not entry or entry[1] ~= ARGV[3] then return 0 end
if #ARGV > 5 then hand_on({unpack(ARGV, 6)}, rings) end
put_entry(ARGV[2], {entry[1] + 1, ARGV[5], entry[3], ARGV[4], entry[5] + (#ARGV > 5 and 1 or 0), entry[6]})
flush()
ring_all(rings)
return 1
