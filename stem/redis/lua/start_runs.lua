-- start_runs(skew, msgpack of {new run...}) -> msgpack {{status, state, workflow}...}
-- uses: base sleepers topics
-- slowly: run_starting
-- One run whose id is not known is written here; what it is made of is written in lib/run_life.lua.
local all = cmsgpack.unpack(ARGV[2])
local new, F = all[1], P .. 'f:'
if #all > 1 or call('EXISTS', F .. 'r:' .. new[1]) == 1 then return slowly() end
local id, nr = new[1], next_numbers('f:nr', 1)
local due, cancel_at = new[6] >= 0 and new[6] or now + new[5], new[8] >= 0 and now + new[8] or -1
local line = '%01' .. new[2] .. '@' .. string.format('%.0f', new[3])
call('MSET', F .. 'p:' .. id, new[4], F .. 'r:' .. id, cmsgpack.pack({
  workflow = new[2], version = new[3], seq = nr, state = 'queued', fence = 0, owner = '', lease_ms = new[7],
  due_at = due, policy_at = cancel_at, cancel_at = cancel_at, suspend_at = -1, cleanup_at = -1,
  cancel_after_ms = new[8], max_suspend_ms = new[9], keep_ms = new[10], created_at = now, started_at = -1,
  changed_at = now, finished_at = -1, forget_at = -1, number = 0, generation = 0, takeovers = 0, blocks = 0,
  changes = 1, cleans_up = new[11], cleaning = 0, parent_run = new[12], parent_step = new[13], parent_policy = new[14],
  reason = '', cancel = '', notes = '',
}))
for _, index in ipairs({'all', 'wf:' .. new[2], 'st:queued'}) do call('ZADD', F .. index, nr, id) end
if new[12] ~= '' then call('ZADD', F .. 'ch:' .. new[12], nr, id) end
call('ZADD', F .. 'due:' .. line, due, id)
if cancel_at >= 0 then call('ZADD', F .. 'pol', cancel_at, id) end
tell('R:' .. id)
ring(line, 1)
return cmsgpack.pack({{'new', 'queued', new[2]}})
