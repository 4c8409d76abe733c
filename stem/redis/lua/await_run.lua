-- await_run(skew, run, address, kind, version) -> of kind E {row, outcome} once it has ended, {} when it is not known; of kind R
-- the number of its last change once it is not `version`; or nothing: `address` will be told
-- when full: goes on
-- uses: base topics
local F = P .. 'f:'
local value = call('GET', F .. 'r:' .. ARGV[2])
local row = value and cmsgpack.unpack(value)
if ARGV[4] == 'R' then
  local changes = row and row.changes or -1
  if changes ~= tonumber(ARGV[5]) then return changes end
else
  if not row then return {} end
  if row.finished_at >= 0 then return {value, call('GET', F .. 'o:' .. ARGV[2]) or ''} end
end
arm(ARGV[4] .. ':' .. ARGV[2], ARGV[3])
return false
