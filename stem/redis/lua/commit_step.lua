-- commit_step(skew, run, fence, number, key, pos, outcome, value, meta, began, attempts) -> {cancel, now}, or nothing when
-- nothing was done and commit_run has to look
-- Most changes are one checkpoint and nothing else; they are written here, as stem/core/ledger/commit.py says.
-- when full: goes on
-- uses: base topics
local F, id, number, key = P .. 'f:', ARGV[2], tonumber(ARGV[4]), ARGV[5]
local value = call('GET', F .. 'r:' .. id)
if not value then return false end
local row = cmsgpack.unpack(value)
if row.state ~= 'running' or row.fence ~= tonumber(ARGV[3]) or row.number >= number then return false end
if call('HEXISTS', F .. 'w:' .. id, key) == 1 then return false end
row.number, row.takeovers, row.blocks, row.changes, row.changed_at = number, 0, 0, row.changes + 1, now
if row.due_at - now <= math.floor(row.lease_ms * 2 / 3) then
  row.due_at = now + row.lease_ms
  call('ZADD', F .. 'due:%01' .. row.workflow .. '@' .. string.format('%.0f', row.version), row.due_at, id)
end
call('SET', F .. 'r:' .. id, cmsgpack.pack(row))
local step = {tonumber(ARGV[6]), ARGV[7], ARGV[8], ARGV[9], tonumber(ARGV[10]), now, tonumber(ARGV[11])}
call('HSETNX', F .. 's:' .. id, key, cmsgpack.pack(step))
tell('R:' .. id)
return {row.cancel, now}
