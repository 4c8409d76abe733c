-- renew_runs(skew, {run, fence, lease ms or ''}...) -> {1: held, 0: lost, or why somebody wants it to end...}
-- when full: goes on
-- uses: run_life
local answers = {}
for i = 2, #ARGV, 3 do
  local row = runs.held(ARGV[i], tonumber(ARGV[i + 1]))
  local answer_ = 0
  if row then
    row.due_at = now + (ARGV[i + 2] ~= '' and tonumber(ARGV[i + 2]) or row.lease_ms)
    if row.doubt == 2 then row.doubt = 1 end
    written[ARGV[i]] = true
    answer_ = 1
    if row.cancel ~= '' and row.cleaning == 0 then answer_ = cjson.decode(row.cancel).reason end
  end
  answers[#answers + 1] = answer_
end
runs.finish()
return answers
