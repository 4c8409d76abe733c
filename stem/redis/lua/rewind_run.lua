-- rewind_run(skew, run, key) -> rewound, unknown_run, unknown_step, undone or undoing
-- when full: goes on
-- uses: run_life
-- numbers: CLEANUP
local id, key = ARGV[2], ARGV[3]
local row = runs.get(id)
if not row then return 'unknown_run' end
if not over[row.state] and (row.cancel ~= '' or row.cleaning == 1) then return 'undoing' end
local steps, waits = runs.all('s', id), runs.all('w', id)
local exact, numbered
for _, list in ipairs({steps, waits}) do
  for _, pair in ipairs(list) do
    local pos = pair[2][S_POS]
    if pos < CLEANUP then
      if pair[1] == key and (not exact or pos < exact) then exact = pos end
      if string.sub(pair[1], 1, #key + 1) == key .. '#' and (not numbered or pos < numbered) then numbered = pos end
    end
  end
end
local place = exact or numbered
if not place then return 'unknown_step' end
for _, pair in ipairs(steps) do
  if pair[2][S_POS] < place and runs.step(id, 'undo:' .. pair[1]) then return 'undone' end
end
local gone, kept = {}, {}
for _, pair in ipairs(steps) do
  if pair[2][S_POS] >= place then
    gone[pair[1]] = true
    runs.put_aside(id, row.generation, pair[1], pair[2])
  else
    kept[pair[1]] = true
  end
end
for _, pair in ipairs(waits) do
  if pair[2][S_POS] >= place or over[row.state] then
    runs.drop_wait(id, pair[1], pair[2])
  else
    kept[pair[1]] = true
  end
end
local mails = call('HGETALL', F .. 'm:' .. id)
for i = 1, #mails, 2 do
  local mail = cmsgpack.unpack(mails[i + 1])
  if gone[mail[4]] then
    mail[4] = ''
    call('HSET', F .. 'm:' .. id, mails[i], cmsgpack.pack(mail))
    call('ZADD', F .. 'b:' .. id .. '\0' .. mail[1], mails[i], mails[i])
    call('ZADD', F .. 'unread', mails[i], id .. '\0' .. mails[i])
  end
end
for _, child in ipairs(call('ZRANGE', F .. 'ch:' .. id, 0, -1)) do
  local other = runs.get(child)
  if other and not kept[other.parent_step] and not over[other.state] and other.parent_policy ~= 'abandon' then
    runs.put_todo('cancel', child, runs.request('its parent ' .. id .. ' was rewound to ' .. key, 'parent ' .. id))
  end
end
row.state, row.due_at, row.owner, row.fence = 'queued', now, '', next_numbers('fence', 1)
row.generation = row.generation + 1
row.takeovers, row.blocks = 0, 0
row.cancel, row.notes, row.reason, row.cleaning = '', '', '', 0
row.suspend_at, row.cleanup_at, row.finished_at, row.forget_at = -1, -1, -1, -1
row.cancel_at = row.cancel_after_ms >= 0 and now + row.cancel_after_ms or -1
call('UNLINK', F .. 'o:' .. id)
runs.save(id, row)
runs.ring(row)
runs.finish()
return 'rewound'
