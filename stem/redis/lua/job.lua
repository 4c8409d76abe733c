-- job(skew, id) -> {state, lease until or '', envelope, {name, value...}} or {result} or {}
-- One job as it is stored.
-- uses: job
local id = ARGV[2]
local job = find(id)
if not job then
  local value = result(id)
  return value and {value} or {}
end
local lease = job[STATE] == RUNNING and call('ZSCORE', P .. 'l:' .. job[QUEUE], id) or ''
return {strings[id] or call('GET', P .. 't:' .. id), lease, envelope(id, job) or '', call('HGETALL', P .. 'x:' .. id)}
