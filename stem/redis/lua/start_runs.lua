-- start_runs(skew, msgpack of {new run...}) -> msgpack {{status, state}...}
-- uses: run_life
local answers = {}
for i, new in ipairs(cmsgpack.unpack(ARGV[2])) do
  local status, row = runs.start(new)
  answers[i] = {status, row.state}
end
runs.finish()
return cmsgpack.pack(answers)
