-- uses: base job line rate watchers
-- numbers: LIMIT_KEYS SCAN_LIMIT
-- Hash 'lim' name -> 'count|per|burst|running' in force; string 'v:<key>' level of a bucket; hash 'rc' key -> running;
-- zset 'k:<queue>|<key>' jobs parked under a key, by order of arrival; set 'kq:<key>' of their queues; set 'qk:<queue>'
-- of their keys; set 'pk:<name>' of the keys of a limit that have parked jobs; zsets 'pt' of
-- when to look at a key again, and 'ps' of when that was set.

local rows = {}
local LEVEL = '<ddd'

local function limit_name(key) return string.match(key, '^[^\31]*') end

-- The limit in force that this key falls under: its bucket or nil, and its count or nil.
local function limit_of(key)
  local name = limit_name(key)
  local row = rows[name]
  if row == nil then
    local value = call('HGET', P .. 'lim', name)
    row = false
    if value then
      local n, per, burst, running = string.match(value, '^(%d*)|(%d*)|(%d*)|(%d*)$')
      row = {n ~= '' and {tonumber(n), tonumber(per), tonumber(burst)} or nil, tonumber(running)}
    end
    rows[name] = row
  end
  if not row then return nil, nil end
  return row[1], row[2]
end

local function level_of(key, bucket)
  local value = call('GET', P .. 'v:' .. key)
  if not value then return {bucket[3] * bucket[2], now, bucket[2]} end
  return {struct.unpack(LEVEL, value)}
end

-- A level is forgotten when it is full again, for then it says nothing.
local function save_level(key, bucket, level)
  local full_in = wait_for(bucket, level, now, bucket[3])
  call('SET', P .. 'v:' .. key, struct.pack(LEVEL, level[1], level[2], level[3]), 'PX', full_in + 60000)
end

-- Set the timer of a key; an earlier one stays. (A later one was set before the clock went back.)
local function look_again_in(key, ms)
  local due, set = now + math.max(1, ms), call('ZSCORE', P .. 'pt', key)
  if not set or due < tonumber(set) then call('ZADD', P .. 'pt', due, key) end
  call('ZADD', P .. 'ps', now, key)
end

local function take_token(key)
  local bucket = limit_of(key)
  if not bucket then return true end
  local level, ok = take_tokens(bucket, level_of(key, bucket), now, 1)
  save_level(key, bucket, level)
  if not ok then look_again_in(key, wait_for(bucket, level, now, 1)) end
  return ok
end

-- The key of the limit that keeps this job from starting; '' when it may start, and then it is counted.
local function over_limit(job, limit_key, rate_key)
  if limit_key ~= '' then
    local _, most = limit_of(limit_key)
    if most and tonumber(call('HGET', P .. 'rc', limit_key) or 0) >= most then return limit_key end
  end
  if rate_key ~= '' and not take_token(rate_key) then return rate_key end
  if limit_key ~= '' then
    call('HINCRBY', P .. 'rc', limit_key, 1)
    mark(job, COUNTED)
  end
  return ''
end

local function parked_in(queue, key) return P .. 'k:' .. queue .. '|' .. key end

-- Set a job aside that a claim has just taken out of its line; it keeps its place in the order of arrival.
local function park(id, job, key)
  local queue = job[QUEUE]
  job[STATE] = PARKED
  job[CHANGES] = job[CHANGES] + 1
  extra(id, job, 'parked', key)
  call('ZADD', parked_in(queue, key), job[SEQ], id)
  call('SADD', P .. 'kq:' .. key, queue)
  call('SADD', P .. 'qk:' .. queue, key)
  call('SADD', P .. 'pk:' .. limit_name(key), key)
  count(queue, 'parked', 1)
  save(id, job)
  tell_changed(id)
end

-- After jobs were taken out of what is parked there: forget sets that are empty now.
local function tidy_parked(queue, key)
  if call('EXISTS', parked_in(queue, key)) == 1 then return end
  call('SREM', P .. 'kq:' .. key, queue)
  call('SREM', P .. 'qk:' .. queue, key)
  if call('EXISTS', P .. 'kq:' .. key) == 0 then call('SREM', P .. 'pk:' .. limit_name(key), key) end
end

-- Put the first parked jobs back in their lines: up to `most` of each queue, for one may be paused or served by nobody,
-- and its job must not keep those of others waiting. Those that come too late are parked again at their claim.
local function unpark(key, most)
  for _, queue in ipairs(call('SMEMBERS', P .. 'kq:' .. key)) do
    local ids = call('ZRANGE', parked_in(queue, key), 0, most - 1)
    if #ids > 0 then
      many('ZREM', ids, parked_in(queue, key))
      load(ids)
      for i = 1, #ids do
        local job = find(ids[i])
        if job then
          push_back(ids[i], job)
          save(ids[i], job)
        end
      end
      count(queue, 'parked', -#ids)
      ring(queue, #ids)
    end
    tidy_parked(queue, key)
  end
end

-- Whether jobs parked under a key without a rate are let go by a timer: `is_freed_by_time` in core/limit.py.
local function is_freed_by_time(key, most)
  for _, queue in ipairs(call('SMEMBERS', P .. 'kq:' .. key)) do
    local id = call('ZRANGE', parked_in(queue, key), 0, 0)[1]
    local job = id and find(id)
    if job and (not most or extra_of(id, job, 'limit') ~= key) then return true end
  end
  return false
end

-- Keys whose timer is due, or was set before the clock went back: none is later than its bucket takes to fill.
local function due_keys()
  local due = call('ZRANGEBYSCORE', P .. 'pt', '-inf', now, 'LIMIT', 0, LIMIT_KEYS)
  if #due > 0 then return due end
  return call('ZRANGEBYSCORE', P .. 'ps', '(' .. string.format('%.0f', now), '+inf', 'LIMIT', 0, LIMIT_KEYS)
end

-- Move as many parked jobs back as there are tokens, for each key whose timer is due.
local function unpark_due()
  for _, key in ipairs(due_keys()) do
    call('ZREM', P .. 'pt', key)
    call('ZREM', P .. 'ps', key)
    local bucket, most = limit_of(key)
    if not bucket then
      unpark(key, SCAN_LIMIT)
      if is_freed_by_time(key, most) then look_again_in(key, 1) end
    else
      local level = level_of(key, bucket)
      local tokens = available(bucket, level, now)
      unpark(key, math.max(1, tokens))
      if call('EXISTS', P .. 'kq:' .. key) == 1 then
        look_again_in(key, wait_for(bucket, level, now, tokens + 1))
      end
    end
  end
end

-- A job that was let back for the room under its key leaves the line without taking it: the next one may.
local function pass_room_on(id, job)
  if not has(job, LIMITED) then return end
  local key = extra_of(id, job, 'limit')
  if key and key ~= '' then unpark(key, 1) end
end

-- Out of the numbers of what runs; room for the next of its limit.
local function stop_running(id, job)
  count(job[QUEUE], 'running', -1)
  unmark(job, RENEWS)
  unmark(job, DOUBTED)
  let_go(job[QUEUE], id)
  if has(job, COUNTED) then
    unmark(job, COUNTED)
    local key = extra_of(id, job, 'limit')
    if call('HINCRBY', P .. 'rc', key, -1) <= 0 then call('HDEL', P .. 'rc', key) end
    unpark(key, 1)
  end
end

-- Out of the line in which a job waits, and of its numbers.
local function take_out(id, job)
  local queue = job[QUEUE]
  if job[STATE] == QUEUED then
    take_ready(id, job)
    pass_room_on(id, job)
  elseif job[STATE] == DELAYED then
    call('ZREM', P .. 'z:' .. queue, id)
    count(queue, 'delayed', -1)
  else
    local key = extra_of(id, job, 'parked')
    call('ZREM', parked_in(queue, key), id)
    tidy_parked(queue, key)
    count(queue, 'parked', -1)
  end
end
