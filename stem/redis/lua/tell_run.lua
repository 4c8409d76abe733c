-- tell_run(skew, run, box, id, payload, msgpack of a new run or '') -> new, duplicate, ended or unknown
-- uses: run_life
local id, said = ARGV[2], 'unknown'
local row = runs.get(id)
if row and over[row.state] and runs.has_message(id, ARGV[3], ARGV[4]) then
  runs.finish()
  return 'duplicate'
end
if ARGV[6] ~= '' and (not row or over[row.state]) then
  local _, made = runs.start(cmsgpack.unpack(ARGV[6]))
  row = made
end
if row then said = over[row.state] and 'ended' or runs.send(id, row, ARGV[3], ARGV[4], ARGV[5]) end
runs.finish()
return said
