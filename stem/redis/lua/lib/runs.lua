-- uses: base sleepers topics publishing outbox
-- numbers: WAKE_LIMIT
-- Workflow runs. 'f:r:<run>' msgpack of the fields of RunRow in stem/core/run.py
-- (times are unix ms, -1 where there is none), 'f:p:<run>' its
-- parameters, 'f:o:<run>' msgpack {result, error}. Hashes by key: 'f:s:<run>' checkpoints, 'f:w:<run>' waits; list
-- 'f:a:<run>' checkpoints put aside. Zsets: 'f:due:<line>', 'f:pol', 'f:over' of runs by time; 'f:all', 'f:st:<state>',
-- 'f:wf:<workflow>', 'f:ch:<parent>' of runs by number; 'f:t:<topic>' of run NUL key by time, 'f:topics' of their names.
-- Events: 'f:e:<topic>' msgpack {id, payload, number, emitted, until}, zsets 'f:ev' by end and 'f:evs' by number.
-- Messages: hash 'f:m:<run>' number -> msgpack {box, id, payload, read by, sent}, zset 'f:b:<run>' NUL box of what is unread,
-- set 'f:i:<run>' of box NUL id, zset 'f:unread' of run NUL number. Hash 'f:todo' kind NUL target -> data, zset 'f:todos'.
-- This mirrors stem/core/ledger; the state machine of contracts holds both.

-- A step: outcome and value come first, so that they are found alike in checkpoints and answers.
local S_POS, S_OUTCOME, S_VALUE, S_META, S_BEGAN, S_ENDED_AT, S_ATTEMPTS = 1, 2, 3, 4, 5, 6, 7
-- A wait.
local W_TOPIC, W_DEADLINE, W_ON_TIME, W_LATE, W_SINCE, W_SOURCE = 2, 3, 5, 6, 7, 8

local F, runs = P .. 'f:', {}
local rows, before, written, told_runs, run_rings, job_rings = {}, {}, {}, {}, {}, {}
local over = {succeeded = true, failed = true, cancelled = true}
local standing = {blocked = true, quarantined = true}

function runs.number() return next_numbers('f:nr', 1) end

function runs.line(row) return '%01' .. row.workflow .. '@' .. string.format('%.0f', row.version) end

function runs.get(id)
  if rows[id] == nil then
    local value = call('GET', F .. 'r:' .. id)
    rows[id] = value and cmsgpack.unpack(value)
    before[id] = value and {rows[id].state, rows[id].due_at, rows[id].policy_at, rows[id].forget_at}
  end
  return rows[id]
end

-- Put a time into an index, or take it out.
function runs.index(key, id, was, is)
  if was == is then return end
  if is >= 0 then call('ZADD', key, is, id) elseif was >= 0 then call('ZREM', key, id) end
end

-- Write a run, and where it is found.
function runs.write(id)
  local row, old = rows[id], before[id]
  call('SET', F .. 'r:' .. id, cmsgpack.pack(row))
  if not old then
    call('ZADD', F .. 'all', row.seq, id)
    call('ZADD', F .. 'wf:' .. row.workflow, row.seq, id)
    if row.parent_run ~= '' then call('ZADD', F .. 'ch:' .. row.parent_run, row.seq, id) end
    old = {'', -1, -1, -1}
  end
  if old[1] ~= row.state then
    if old[1] ~= '' then call('ZREM', F .. 'st:' .. old[1], id) end
    call('ZADD', F .. 'st:' .. row.state, row.seq, id)
  end
  runs.index(F .. 'due:' .. runs.line(row), id, old[2], row.due_at)
  runs.index(F .. 'pol', id, old[3], row.policy_at)
  runs.index(F .. 'over', id, old[4], row.forget_at)
  before[id] = {row.state, row.due_at, row.policy_at, row.forget_at}
end

function runs.flush()
  for id in pairs(written) do runs.write(id) end
  written = {}
end

-- Write, tell and ring all that was collected, with what else the script has collected.
flushes[#flushes + 1] = function()
  runs.flush()
  for topic in pairs(told_runs) do tell(topic) end
  for line in pairs(run_rings) do ring(line, run_rings[line]) end
  told_runs, run_rings = {}, {}
end

function runs.finish()
  flush()
  ring_all(job_rings)
end

function runs.ring(row)
  local line = runs.line(row)
  run_rings[line] = (run_rings[line] or 0) + 1
end

function runs.policy_time(row)
  if over[row.state] then return -1 end
  if row.cancel ~= '' then return standing[row.state] and -1 or row.cleanup_at end
  if row.cleaning == 1 then return -1 end
  local a, b = row.cancel_at, row.suspend_at
  if a < 0 then return b end
  if b < 0 then return a end
  return math.min(a, b)
end

function runs.note(id, row)
  row.changes = row.changes + 1
  row.policy_at = runs.policy_time(row)
  written[id] = true
  told_runs['R:' .. id] = true
end

function runs.save(id, row)
  row.changed_at = now
  runs.note(id, row)
end

function runs.first(key)
  local found = call('ZRANGE', key, 0, 0, 'WITHSCORES')
  return found[2] and tonumber(found[2])
end

-- Write a run that leaves its worker; ring when its timer comes before all others.
function runs.put_to_sleep(id, row)
  local due, policy = runs.first(F .. 'due:' .. runs.line(row)), runs.first(F .. 'pol')
  local known = due and policy and math.min(due, policy) or due or policy
  runs.save(id, row)
  for _, at in ipairs({row.due_at, row.policy_at}) do
    if at >= 0 and (not known or at < known) then
      runs.ring(row)
      return
    end
  end
end

-- Checkpoints ---------------------------------------------------------------------------------------------------------

function runs.step(id, key)
  local value = call('HGET', F .. 's:' .. id, key)
  return value and cmsgpack.unpack(value)
end

function runs.put_step(id, key, step) call('HSET', F .. 's:' .. id, key, cmsgpack.pack(step)) end

function runs.put_aside(id, generation, key, step)
  call('RPUSH', F .. 'a:' .. id, cmsgpack.pack({generation, key, step}))
  call('HDEL', F .. 's:' .. id, key)
end

-- All of a hash of packed values, as {key, value} pairs by place and key.
function runs.all(kind, id)
  local flat, found = call('HGETALL', F .. kind .. ':' .. id), {}
  for i = 1, #flat, 2 do found[#found + 1] = {flat[i], cmsgpack.unpack(flat[i + 1])} end
  table.sort(found, function(a, b)
    if a[2][S_POS] ~= b[2][S_POS] then return a[2][S_POS] < b[2][S_POS] end
    return a[1] < b[1]
  end)
  return found
end

-- Waits ---------------------------------------------------------------------------------------------------------------

function runs.wait(id, key)
  local value = call('HGET', F .. 'w:' .. id, key)
  return value and cmsgpack.unpack(value)
end

function runs.put_wait(id, key, wait)
  call('HSET', F .. 'w:' .. id, key, cmsgpack.pack(wait))
  if wait[W_TOPIC] ~= '' then
    call('ZADD', F .. 't:' .. wait[W_TOPIC], wait[W_SINCE], id .. '\0' .. key)
    call('ZADD', F .. 'topics', 0, wait[W_TOPIC])
  end
end

function runs.drop_wait(id, key, wait)
  call('HDEL', F .. 'w:' .. id, key)
  if wait[W_TOPIC] ~= '' then
    call('ZREM', F .. 't:' .. wait[W_TOPIC], id .. '\0' .. key)
    if call('EXISTS', F .. 't:' .. wait[W_TOPIC]) == 0 then call('ZREM', F .. 'topics', wait[W_TOPIC]) end
  end
end

-- The answer becomes the checkpoint of what waited for it.
function runs.answer(id, key, wait, outcome, value)
  runs.drop_wait(id, key, wait)
  runs.put_step(id, key, {wait[S_POS], outcome, value, wait[S_META], wait[W_SINCE], now, 1})
end

function runs.answer_late(id, key, wait) runs.answer(id, key, wait, wait[W_ON_TIME], wait[W_LATE]) end

-- A run that sleeps may go on; one that runs finds the answer when it asks.
function runs.wake(id, row)
  if row.state == 'suspended' then
    row.state, row.due_at, row.suspend_at = 'queued', now, -1
    runs.ring(row)
  end
  runs.note(id, row)
end

-- The job or run `source` has ended.
function runs.complete(id, key, source, outcome, value)
  local wait, row = runs.wait(id, key), runs.get(id)
  if not wait or not row or wait[W_SOURCE] ~= source then return false end
  runs.answer(id, key, wait, outcome, value)
  runs.wake(id, row)
  return true
end

-- Events and messages -------------------------------------------------------------------------------------------------

function runs.event(topic)
  local value = call('GET', F .. 'e:' .. topic)
  return value and cmsgpack.unpack(value)
end

function runs.live_event(topic)
  local event = runs.event(topic)
  return event and event[5] > now and event
end

function runs.put_todo(kind, target, data)
  local name = kind .. '\0' .. target
  call('HSET', F .. 'todo', name, data)
  call('ZADD', F .. 'todos', runs.number(), name)
end

function runs.drop_todo(name)
  call('HDEL', F .. 'todo', name)
  call('ZREM', F .. 'todos', name)
end

function runs.wake_more(topic, limit)
  local event = runs.event(topic)
  if not event then return 0, false end
  local found, woken = call('ZRANGE', F .. 't:' .. topic, 0, limit), 0
  for i = 1, math.min(#found, limit) do
    local id, key = string.match(found[i], '^(.-)%z(.*)$')
    local row, wait = runs.get(id), runs.wait(id, key)
    if row and wait then
      runs.answer(id, key, wait, 'done', event[2])
      runs.wake(id, row)
    else
      call('ZREM', F .. 't:' .. topic, found[i])
    end
    woken = woken + 1
  end
  return woken, #found > limit
end

function runs.emit(topic, id, payload, ttl)
  if runs.live_event(topic) then return false, 0, false end
  local nr, till = runs.number(), now + ttl
  call('SET', F .. 'e:' .. topic, cmsgpack.pack({id, payload, nr, now, till}))
  call('ZADD', F .. 'ev', till, topic)
  call('ZADD', F .. 'evs', nr, topic)
  local woken, more = runs.wake_more(topic, WAKE_LIMIT)
  if more then runs.put_todo('wake', topic, '') end
  return true, woken, more
end

function runs.put_message(id, box, name, payload, read_by)
  local nr = string.format('%.0f', runs.number())
  call('HSET', F .. 'm:' .. id, nr, cmsgpack.pack({box, name, payload, read_by, now}))
  if name ~= '' then call('SADD', F .. 'i:' .. id, box .. '\0' .. name) end
  if read_by == '' then
    call('ZADD', F .. 'b:' .. id .. '\0' .. box, nr, nr)
    call('ZADD', F .. 'unread', nr, id .. '\0' .. nr)
  end
end

-- Take the oldest message that nobody has read; its payload.
function runs.read_message(id, box, key)
  local nr = call('ZRANGE', F .. 'b:' .. id .. '\0' .. box, 0, 0)[1]
  if not nr then return end
  call('ZREM', F .. 'b:' .. id .. '\0' .. box, nr)
  call('ZREM', F .. 'unread', id .. '\0' .. nr)
  local mail = cmsgpack.unpack(call('HGET', F .. 'm:' .. id, nr))
  mail[4] = key
  call('HSET', F .. 'm:' .. id, nr, cmsgpack.pack(mail))
  return mail[3]
end

-- Whether the run has had the message of this id.
function runs.has_message(id, box, name)
  return name ~= '' and call('SISMEMBER', F .. 'i:' .. id, box .. '\0' .. name) == 1
end

-- To whichever step waits for it, the longest first, or into the box.
function runs.send(id, row, box, name, payload)
  if runs.has_message(id, box, name) then return 'duplicate' end
  local first
  for _, pair in ipairs(runs.all('w', id)) do
    local wait = pair[2]
    if wait[W_TOPIC] == 'm:' .. box and (not first or wait[W_SINCE] < first[2][W_SINCE]) then first = pair end
  end
  if not first then
    runs.put_message(id, box, name, payload, '')
    runs.note(id, row)
    return 'new'
  end
  runs.put_message(id, box, name, payload, first[1])
  runs.answer(id, first[1], first[2], 'done', payload)
  runs.wake(id, row)
  return 'new'
end

-- Wait, unless the answer is there. `wait` has the time after which it ends, or its deadline as {after, deadline}.
function runs.register(id, key, pos, topic, after, deadline, meta, on_time, late, source)
  if runs.step(id, key) or runs.wait(id, key) then return end
  if after >= 0 then deadline = now + after end
  local wait = {pos, topic, deadline, meta, on_time, late, now, source}
  runs.put_wait(id, key, wait)
  local kind, name = string.sub(topic, 1, 2), string.sub(topic, 3)
  if kind == 't:' then
    local event = runs.live_event(topic)
    if event then return runs.answer(id, key, wait, 'done', event[2]) end
  elseif kind == 'm:' then
    local payload = runs.read_message(id, name, key)
    if payload then return runs.answer(id, key, wait, 'done', payload) end
  end
  if deadline >= 0 and deadline <= now then runs.answer_late(id, key, wait) end
end

-- The run with all that hangs on it.
function runs.forget(id, row)
  for _, pair in ipairs(runs.all('w', id)) do runs.drop_wait(id, pair[1], pair[2]) end
  local mails = call('HGETALL', F .. 'm:' .. id)
  for i = 1, #mails, 2 do
    call('ZREM', F .. 'unread', id .. '\0' .. mails[i])
    call('UNLINK', F .. 'b:' .. id .. '\0' .. cmsgpack.unpack(mails[i + 1])[1])
  end
  for _, kind in ipairs({'r', 'p', 'o', 's', 'w', 'a', 'm', 'i'}) do call('UNLINK', F .. kind .. ':' .. id) end
  call('ZREM', F .. 'all', id)
  call('ZREM', F .. 'st:' .. row.state, id)
  call('ZREM', F .. 'wf:' .. row.workflow, id)
  call('ZREM', F .. 'due:' .. runs.line(row), id)
  call('ZREM', F .. 'pol', id)
  call('ZREM', F .. 'over', id)
  if row.parent_run ~= '' then call('ZREM', F .. 'ch:' .. row.parent_run, id) end
  rows[id], before[id], written[id] = false, nil, nil
end
