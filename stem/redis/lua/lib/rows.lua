-- uses: job
-- Live jobs as they are listed: id, state, end of the lease or '', and what lies beside.
local function add_rows(ids, answers)
  load(ids)
  for i = 1, #ids do
    local job = find(ids[i])
    if job then
      local lease = job[STATE] == RUNNING and call('ZSCORE', P .. 'l:' .. job[QUEUE], ids[i]) or ''
      local more = has(job, EXTRA) and call('HGETALL', P .. 'x:' .. ids[i]) or {}
      answers[#answers + 1] = {ids[i], strings[ids[i]], lease, more}
    end
  end
end
