-- uses: base runs
-- numbers: POLICY_LIMIT
-- A run's life, as stem/core/ledger/life.py says.

-- `new` is {id, workflow, version, params, delay, at, lease, cancel after, max suspend, keep, cleans up, parent, its step,
-- its policy, if exists}. Gives what became of it, and the row.
function runs.start(new)
  local id = new[1]
  local there, generation = runs.get(id), 0
  if there then
    if new[15] ~= 'restart' or not over[there.state] then return 'exists', there end
    generation = there.generation + 1
    runs.flush()
    runs.forget(id, there)
  end
  local due = new[6] >= 0 and new[6] or now + new[5]
  local row = {
    workflow = new[2], version = new[3], seq = runs.number(), state = 'queued', fence = 0, owner = '', lease_ms = new[7],
    due_at = due, policy_at = -1, cancel_at = new[8] >= 0 and now + new[8] or -1, suspend_at = -1, cleanup_at = -1,
    cancel_after_ms = new[8], max_suspend_ms = new[9], keep_ms = new[10], created_at = now, started_at = -1,
    changed_at = now, finished_at = -1, forget_at = -1, number = 0, generation = generation, takeovers = 0, blocks = 0,
    changes = 0, cleans_up = new[11], cleaning = 0, parent_run = new[12], parent_step = new[13], parent_policy = new[14],
    reason = '', waited_for = '', cancel = '', notes = '',
  }
  rows[id], before[id] = row, nil
  call('SET', F .. 'p:' .. id, new[4])
  runs.save(id, row)
  runs.ring(row)
  return there and 'restarted' or 'new', row
end

function runs.held(id, fence)
  local row = runs.get(id)
  return row and row.state == 'running' and row.fence == fence and row
end

function runs.quoted(text) return cjson.encode(text) end

-- How its parent is told: outcome and value.
function runs.told_parent(id, row, result, error_)
  if row.state == 'succeeded' then return 'done', result end
  local said = '{"id":' .. runs.quoted(id)
  if row.reason ~= '' then said = said .. ',"reason":' .. runs.quoted(row.reason) end
  if row.state == 'failed' and error_ ~= '' then said = said .. ',"error":' .. error_ end
  return row.state, said .. '}'
end

function runs.request(reason, by, at)
  return '{"reason":' .. runs.quoted(reason) .. ',"by":' .. runs.quoted(by) .. ',"at":' .. string.format('%.0f', at or 0) .. '}'
end

function runs.end_children(id, row, reason)
  runs.flush()
  local left = false
  for _, child in ipairs(call('ZRANGE', F .. 'ch:' .. id, 0, -1)) do
    local other = runs.get(child)
    if other and other.parent_policy ~= 'abandon' and not over[other.state] then
      runs.put_todo('cancel', child, runs.request(reason, 'parent ' .. id))
      left = true
    end
  end
  if left then runs.ring(row) end
end

function runs.end_it(id, row, state, result, error_, reason)
  local waits = {}
  for n, pair in ipairs(runs.all('w', id)) do
    runs.drop_wait(id, pair[1], pair[2])
    waits[n] = pair[1]
  end
  row.waited_for = state == 'succeeded' and '' or table.concat(waits, ', ')
  row.state, row.reason = state, reason
  row.finished_at, row.forget_at = now, now + row.keep_ms
  row.due_at, row.suspend_at, row.cleanup_at = -1, -1, -1
  row.owner, row.notes, row.cleaning = '', '', 0
  call('SET', F .. 'o:' .. id, cmsgpack.pack({result, error_}))
  runs.save(id, row)
  told_runs['E:' .. id] = true
  if state ~= 'succeeded' then
    runs.end_children(id, row, reason ~= '' and reason or 'its parent ' .. id .. ' has ' .. state)
  end
  if row.parent_run ~= '' then
    local outcome, value = runs.told_parent(id, row, result, error_)
    runs.complete(row.parent_run, row.parent_step, id, outcome, value)
  end
end

function runs.cancel(id, row, reason, by, terminate)
  if terminate then
    row.fence = next_numbers('fence', 1)
    if row.cancel == '' then row.cancel = runs.request(reason, by, now) end
    runs.end_it(id, row, 'cancelled', '', '', reason)
    return 'cancelled'
  end
  if row.cancel ~= '' then return 'requested' end
  if row.cleaning == 1 then return 'ending' end
  row.cancel = runs.request(reason, by, now)
  if row.state ~= 'running' and (row.cleans_up == 0 or row.started_at < 0) then
    runs.end_it(id, row, 'cancelled', '', '', reason)
    return 'cancelled'
  end
  if row.state ~= 'running' then
    row.state, row.due_at, row.suspend_at, row.takeovers = 'queued', now, -1, 0
    runs.ring(row)
  end
  runs.save(id, row)
  return 'requested'
end

-- A span for people, as core/duration.py says it.
function runs.span(ms)
  if ms < 1000 then return string.format('%.0fms', ms) end
  for _, unit in ipairs({{86400000, 'd', 3600000, 'h'}, {3600000, 'h', 60000, 'm'}, {60000, 'm', 1000, 's'}}) do
    if ms >= unit[1] then
      local rest = math.floor(ms % unit[1] / unit[3])
      return string.format('%.0f%s', math.floor(ms / unit[1]), unit[2]) .. (rest > 0 and string.format(' %.0f%s', rest, unit[4]) or '')
    end
  end
  return string.format('%gs', ms / 1000)
end

function runs.policy_ends(id, row)
  if row.cancel ~= '' and row.due_at >= 0 and row.due_at <= now then
    row.cleanup_at = now + row.lease_ms -- nobody has it in hand: that time does not count
    runs.save(id, row)
  elseif row.cancel ~= '' then
    runs.cancel(id, row, 'the clean-up took longer than its budget', 'policy', true)
  elseif row.cancel_at >= 0 and row.cancel_at <= now then
    runs.cancel(id, row, 'cancel_after: it took longer than ' .. runs.span(row.cancel_after_ms), 'policy', false)
  else
    runs.cancel(id, row, 'max_suspend: it waited longer than ' .. runs.span(row.max_suspend_ms), 'policy', false)
  end
end

function runs.policies_due(limit)
  runs.flush()
  local done = 0
  for _, id in ipairs(call('ZRANGEBYSCORE', F .. 'pol', '-inf', now, 'LIMIT', 0, limit)) do
    local row = runs.get(id)
    if row and row.policy_at >= 0 and row.policy_at <= now then runs.policy_ends(id, row) else call('ZREM', F .. 'pol', id) end
    done = done + 1
  end
  return done
end

-- Do up to about `limit` of what is left to do; how much.
function runs.work(limit)
  local done = 0
  for _, name in ipairs(call('ZRANGE', F .. 'todos', 0, limit - 1)) do
    if done >= limit then break end
    local kind, target = string.match(name, '^(.-)%z(.*)$')
    if kind == 'wake' then
      local woken, more = runs.wake_more(target, limit - done)
      done = done + math.max(1, woken)
      if not more then runs.drop_todo(name) end
    else
      local said = cjson.decode(call('HGET', F .. 'todo', name))
      runs.drop_todo(name)
      local row = runs.get(target)
      if row and not over[row.state] then runs.cancel(target, row, said.reason, said.by or '', false) end
      done = done + 1
    end
  end
  return done + runs.policies_due(POLICY_LIMIT)
end

function runs.next_look(lines)
  if call('EXISTS', F .. 'todos') == 1 then return 0 end
  local first = runs.first(F .. 'pol')
  for _, line in ipairs(lines) do
    local at = runs.first(F .. 'due:' .. line)
    if at and (not first or at < first) then first = at end
  end
  return first and math.max(0, first - now) or -1
end
