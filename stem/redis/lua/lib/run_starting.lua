-- uses: base run_life
-- Starts of any kind; see start_runs.lua.
local answers = {}
for i, new in ipairs(cmsgpack.unpack(ARGV[2])) do
  local status, row = runs.start(new)
  answers[i] = {status, row.state, row.workflow}
end
runs.finish()
return cmsgpack.pack(answers)
