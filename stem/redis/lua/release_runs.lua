-- release_runs(skew, again in ms, {run, fence}...) -> {1: given back, 0: stale...}
-- when full: goes on
-- uses: run_life
local answers = {}
for i = 3, #ARGV, 2 do
  local row = runs.held(ARGV[i], tonumber(ARGV[i + 1]))
  if row then
    row.state, row.owner, row.due_at = 'queued', '', now + ARGV[2]
    runs.save(ARGV[i], row)
    runs.ring(row)
  end
  answers[#answers + 1] = row and 1 or 0
end
runs.finish()
return answers
