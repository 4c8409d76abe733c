-- uses: base job line unique watchers
-- Publishing one job. `what` is {id, queue, priority, when, expires, tail, envelope, more}: `when` is '' (now), '+ms' or
-- '=unix ms'; `expires` '' or ms; `tail` the packed end of the state; `more` '' or its keys as packed words: limit,
-- rate, unique, for how many ms or '', '1' when the unique key is let go at the start.

local function is_known(id)
  return find(id) or result(id)
end

local function due_at(when)
  if when == '' then return now end
  local ms = tonumber(string.sub(when, 2))
  return string.sub(when, 1, 1) == '+' and now + ms or ms
end

-- 1 and nothing, 0 for an id that is known, 2 and the holder of its unique key. Ready jobs are counted in `rings`.
local function publish(what, rings)
  local id, queue, level = what[1], what[2], tonumber(what[3])
  if is_known(id) then return 0, '' end
  local flags, more = 0, what[8] ~= '' and words_of(what[8])
  if more and more[3] ~= '' then
    local holder = take_unique(id, more[3], more[4])
    if holder then return 2, holder end
    flags = UNIQUE + (more[5] == '1' and UNTIL_START or 0)
  end
  local seq, ready = next_numbers('seq', 1), due_at(what[4])
  local expires = what[5] == '' and -1 or now + what[5]
  local state = QUEUED
  if more then
    if more[1] ~= '' or more[2] ~= '' then flags = flags + LIMITED end
    flags = flags + EXTRA
    call('HSET', P .. 'x:' .. id, 'limit', more[1], 'rate', more[2], 'unique', more[3], 'for_ms', more[4])
  end
  if ready > now then
    state, flags = DELAYED, flags + OWN
    call('SET', P .. 'm:' .. id, what[7])
    call('ZADD', P .. 'aside:' .. queue, seq, id)
    get_line(queue)
    local earliest = next_timer(queue)
    call('ZADD', P .. 'z:' .. queue, ready, id)
    count(queue, 'delayed', 1)
    if not earliest or ready < earliest then rings[queue] = math.max(rings[queue] or 0, 1) end
  else
    local line = get_line(queue)
    line[queued_at(level)] = line[queued_at(level)] + 1
    call('XADD', P .. 's' .. level .. ':' .. queue, seq, id, what[7])
    rings[queue] = (rings[queue] or 0) + 1
  end
  strings[id], jobs[id] = struct.pack(HEAD, state, level, flags, seq, -1, 0, 0, 0, 0, -1, now, ready, expires, -1) .. what[6], nil
  dirty[id] = strings[id]
  tell_changed(id)
  return 1, ''
end

local function ring_all(rings)
  for queue, jobs_ in pairs(rings) do ring(queue, jobs_) end
end
