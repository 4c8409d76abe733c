-- commit_run(skew, run, fence, msgpack of the change, packed words of a job or what is put out...) -> msgpack {status,
-- ended, {{key, step}...}, {{step, why, holder}...}, cancel or false, now}
-- Store what one step of a run changes, as stem/core/ledger/commit.py says. The change is {number, steps {{key, step}...},
-- waits {{key, pos, topic, after, deadline, meta, on time, late, source}...}, effects, drop, pending, notes or false, rerun, cleans up
-- or false, cleanup ms, then}; -1 where there is no time.
-- when full: goes on
-- uses: run_life
local id, fence, change = ARGV[2], tonumber(ARGV[3]), cmsgpack.unpack(ARGV[4])
local row = runs.held(id, fence)

local function cancel_of(it) return it.cancel ~= '' and it.cancel or false end

if not row then
  local there = runs.get(id)
  local same = there and there.fence == fence and there.number == change[1]
  return cmsgpack.pack({same and 'repeated' or 'lost', same and true or false, {}, {}, false, now})
end
if row.number >= change[1] then
  return cmsgpack.pack({'repeated', false, {}, {}, cancel_of(row), now})
end
row.number = change[1]

-- Jobs and children first: what is refused is recorded as failed; a child that has still to end is not waited for yet.
local refused, told, awaited = {}, {}, {}
for _, w in ipairs(change[3]) do awaited[w[1]] = true end

local function refuse(step, why, holder)
  refused[#refused + 1] = {step, why, holder}
  if why ~= 'ending' then told[step] = '{"id":' .. runs.quoted(holder) .. ',"refused":"' .. why .. '"}' end
end

local function begin_job(step, words)
  if #words == 2 then return put_out(words[1], words[2]) end
  local status, holder = publish(words, job_rings)
  if status == 2 then
    refuse(step, 'held', holder)
  elseif status == 0 and (awaited[step] or runs.wait(id, step)) then
    refuse(step, 'duplicate', words[1])
  end
end

local function begin_child(step, new)
  if new[14] == 'wait' then row.cleans_up = 1 end
  local there = runs.get(new[1])
  local mine = there and there.parent_run == new[12] and there.parent_step == new[13] and there.parent_policy == new[14]
  if mine and there.cancel ~= '' and not over[there.state] then
    awaited[step] = false
    return refuse(step, 'ending', new[1])
  end
  if mine then new[15] = 'restart' end
  if runs.start(new) == 'exists' and not mine then refuse(step, 'exists', new[1]) end
end

for _, effect in ipairs(change[4]) do
  if effect[1] == 'call' then
    begin_job(effect[2], words_of(ARGV[effect[3]]))
  elseif effect[1] == 'spawn' then
    begin_child(effect[2], effect[3])
  end
end
for _, pair in ipairs(change[2]) do
  local key, step = pair[1], pair[2]
  local there = runs.step(id, key)
  if not there or change[8] then
    if there then runs.put_aside(id, row.generation, key, there) end
    local wait = runs.wait(id, key)
    if wait then runs.drop_wait(id, key, wait) end
    if told[key] then step[S_OUTCOME], step[S_VALUE] = 'failed', told[key] end
    step[S_ENDED_AT] = now
    runs.put_step(id, key, step)
  end
end
for _, w in ipairs(change[3]) do
  if awaited[w[1]] then runs.register(id, w[1], w[2], w[3], w[4], w[5], w[6], w[7], w[8], w[9]) end
end
for _, key in ipairs(change[5]) do
  local wait = runs.wait(id, key)
  if wait and not told[key] then runs.drop_wait(id, key, wait) end
end
for key, value in pairs(told) do
  local wait = runs.wait(id, key)
  if wait then runs.answer(id, key, wait, 'failed', value) end
end
for _, effect in ipairs(change[4]) do
  local kind = effect[1]
  if kind == 'say' then
    runs.emit(effect[2], effect[3], effect[4], effect[5])
  elseif kind == 'tell' then
    local other = runs.get(effect[2])
    if other and not over[other.state] then runs.send(effect[2], other, effect[3], effect[4], effect[5]) end
  elseif kind == 'stop' then
    local other = runs.get(effect[2])
    if other and not over[other.state] and effect[2] ~= id then runs.cancel(effect[2], other, effect[3], effect[4], false) end
  end
end

local then_ = change[11]
if #change[2] > 0 or then_[1] == 'suspend' or then_[1] == 'end' then row.takeovers, row.blocks = 0, 0 end
if change[7] then row.notes = change[7] end
if change[9] ~= -1 then row.cleans_up = change[9] end
if change[10] >= 0 then row.cleaning, row.cleanup_at = 1, now + change[10] end

local answers = {}
for _, key in ipairs(change[6]) do
  local wait = runs.wait(id, key)
  if wait and wait[W_DEADLINE] >= 0 and wait[W_DEADLINE] <= now then runs.answer_late(id, key, wait) end
  local step = runs.step(id, key)
  if step then answers[#answers + 1] = {key, step} end
end

local ended = true
local cancelled_before = row.cancel ~= '' and row.cleaning == 0
if then_[1] == 'end' and (then_[2] == 'cancelled' or not cancelled_before) then
  runs.end_it(id, row, then_[2], then_[3], then_[4], then_[5])
elseif then_[1] == 'suspend' and #answers == 0 and #refused == 0 and (row.cancel == '' or row.cleaning == 1) then
  local due = then_[2] >= 0 and now + then_[2] or -1
  for _, pair in ipairs(runs.all('w', id)) do
    local at = pair[2][W_DEADLINE]
    if at >= 0 and (due < 0 or at < due) then due = at end
  end
  row.state, row.owner, row.due_at = 'suspended', '', due
  row.suspend_at = row.max_suspend_ms >= 0 and now + row.max_suspend_ms or -1
  runs.put_to_sleep(id, row)
elseif then_[1] == 'block' then
  row.state, row.owner, row.due_at, row.reason = 'blocked', '', now + then_[3], then_[2]
  row.blocks = row.blocks + 1
  runs.put_to_sleep(id, row)
elseif then_[1] == 'quarantine' then
  row.state, row.owner, row.due_at, row.reason = 'quarantined', '', -1, then_[2]
  runs.put_to_sleep(id, row)
else
  if row.due_at - now <= math.floor(row.lease_ms * 2 / 3) then row.due_at = now + row.lease_ms end
  runs.save(id, row)
  ended = false
end
runs.finish()
return cmsgpack.pack({'done', ended, answers, refused, cancel_of(row), now})
