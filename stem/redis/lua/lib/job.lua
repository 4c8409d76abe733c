-- uses: base packed
-- A live job: string 't:<id>', packed as below; hash 'x:<id>' for what few jobs have; its envelope in the stream of its
-- line or in 'm:<id>'. A finished one: string 'r:<id>', packed, then its record.

local STATE, PRIO, FLAGS, SEQ, FENCE, DELIVERIES, CHANGES, ATTEMPTS, LOSSES = 1, 2, 3, 4, 5, 6, 7, 8, 9
local SETTLED, ENQUEUED, READY, EXPIRES, STARTED = 10, 11, 12, 13, 14
local MAX_LOSSES, LEASE, TTL, QUEUE, TASK, WORKER = 15, 16, 17, 18, 19, 20
local WHOLE = HEAD .. 'I4ddsss'

-- Flags: envelope in 'm:'; limit or rate key; counted under its limit; unique key, let go at the start; cancel asked;
-- something in 'x:'; its worker renews its lease, and should have.
local OWN, LIMITED, COUNTED, UNIQUE, UNTIL_START, CANCEL, EXTRA, RENEWS, DOUBTED = 1, 2, 4, 8, 16, 32, 64, 128, 256

local jobs, strings, dirty, gone = {}, {}, {}, {}

-- Have the states of these jobs at hand.
local function load(ids)
  local keys = {}
  for i = 1, #ids do keys[i] = P .. 't:' .. ids[i] end
  local values = mget(keys)
  for i = 1, #ids do
    if strings[ids[i]] == nil then strings[ids[i]] = values[i] end
  end
end

-- The job of this id as a list by the places above, or false.
local function find(id)
  local job = jobs[id]
  if job == nil then
    local value = strings[id]
    if value == nil then value = call('GET', P .. 't:' .. id) end
    job = value and {struct.unpack(WHOLE, value)}
    jobs[id] = job
  end
  return job
end

local function save(id, job)
  jobs[id] = job
  dirty[id] = job
end

local function has(job, flag) return bit.band(job[FLAGS], flag) ~= 0 end
local function mark(job, flag) job[FLAGS] = bit.bor(job[FLAGS], flag) end
local function unmark(job, flag) job[FLAGS] = bit.band(job[FLAGS], bit.bnot(flag)) end

local function extra(id, job, ...)
  mark(job, EXTRA)
  call('HSET', P .. 'x:' .. id, ...)
end

-- The value of one extra, or nil.
local function extra_of(id, job, name)
  return has(job, EXTRA) and call('HGET', P .. 'x:' .. id, name) or nil
end

local function stream_of(job) return P .. 's' .. job[PRIO] .. ':' .. job[QUEUE] end

-- The envelope, wherever it lies.
local function envelope(id, job)
  if has(job, OWN) then return call('GET', P .. 'm:' .. id) end
  local entry = call('XRANGE', stream_of(job), job[SEQ], job[SEQ])[1]
  return entry and entry[2][2]
end

-- Entries that leave their stream, by stream.
local left = {}
local function leave_stream(job)
  local key = stream_of(job)
  local list = left[key]
  if not list then list = {}; left[key] = list end
  list[#list + 1] = job[SEQ]
end

-- Into 'm:<id>', for a job that will lie for long: one entry keeps its whole page of the stream in memory.
local function move_out(id, job)
  if has(job, OWN) then return end
  local bytes = envelope(id, job)
  if bytes then call('SET', P .. 'm:' .. id, bytes) end
  leave_stream(job)
  mark(job, OWN)
  call('ZADD', P .. 'aside:' .. job[QUEUE], job[SEQ], id)
end

-- Forget the job with all that lies beside it.
local function forget(id, job)
  if has(job, OWN) then
    call('UNLINK', P .. 'm:' .. id)
    call('ZREM', P .. 'aside:' .. job[QUEUE], id)
  else
    leave_stream(job)
  end
  if has(job, EXTRA) then call('UNLINK', P .. 'x:' .. id) end
  jobs[id], dirty[id] = false, nil
  gone[#gone + 1] = P .. 't:' .. id
end

flushes[#flushes + 1] = function()
  for key, list in pairs(left) do many('XDEL', list, key) end
  many('UNLINK', gone)
  local written = {}
  for id, job in pairs(dirty) do
    written[#written + 1] = P .. 't:' .. id
    written[#written + 1] = type(job) == 'string' and job or struct.pack(WHOLE, unpack(job, 1, 20))
  end
  many('MSET', written)
  left, gone, dirty = {}, {}, {}
end

-- ---------------------------------------------------------------- results

local results = {}

-- The packed result while it lives, or false.
local function result(id)
  local value = results[id]
  if value == nil then
    value = call('GET', P .. 'r:' .. id)
    results[id] = value
  end
  return value and is_kept(value) and value
end

local recent, recent_of, unsuccessful = {}, {}, {[FAILED] = {}, [CANCELLED] = {}}

-- Keep what became of a job for `ttl` ms; `job` is a list as above, of which only a few places are looked at.
local function keep(id, job, state, record, ttl)
  ttl = tonumber(ttl)
  local value = struct.pack(RESULT, state, now, now + ttl, job[SEQ], job[SETTLED], job[DELIVERIES], job[QUEUE],
    job[TASK], job[WORKER]) .. record
  results[id] = value
  if ttl <= 0 then call('UNLINK', P .. 'r:' .. id) return end
  call('SET', P .. 'r:' .. id, value, 'PX', ttl)
end

-- Into the list of the last finished jobs; a dead letter is listed as a job as long as it lies there.
local function list_finished(id, job, state)
  local entry = struct.pack('<d', job[SEQ]) .. id
  recent[#recent + 1] = entry
  if job[TASK] ~= '' then
    recent_of[job[TASK]] = recent_of[job[TASK]] or {}
    table.insert(recent_of[job[TASK]], entry)
  end
  local list = unsuccessful[state]
  if list then list[#list + 1] = entry end
end

local function forget_result(id)
  results[id] = false
  call('UNLINK', P .. 'r:' .. id)
end

flushes[#flushes + 1] = function()
  note_finished(recent)
  note_finished(unsuccessful[FAILED], 'recent:failed')
  note_finished(unsuccessful[CANCELLED], 'recent:cancelled')
  note_finished_of(recent_of)
  recent, recent_of, unsuccessful = {}, {}, {[FAILED] = {}, [CANCELLED] = {}}
end
