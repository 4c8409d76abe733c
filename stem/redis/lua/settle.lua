-- settle(skew, {id, fence, kind, a, b, c, d, e, effects}...) -> {answer...}
-- Store settlements, each if its fence holds: 1: done, 0: stale, 2: stored before. Kinds: see lib/ending.lua.
-- when full: goes on
-- uses: packed watchers
-- slowly: settling
-- Most jobs have ended well and have no limit, unique key, group or note; they are done here, many with one command.
local keys, answers, others, n = {}, {}, {}, 0
for i = 2, #ARGV, 9 do
  n = n + 1
  keys[n] = P .. 't:' .. ARGV[i]
end
local values = mget(keys)
local ended, listed, listed_of, listed_cancelled, seen, queues = {}, {}, {}, {}, {}, {}
local line, line_queue, line_level

-- What leaves one level of a queue.
local function line_of(queue, level)
  local here = queues[queue]
  if not here then
    here = {ids = {}, aside = {}, succeeded = 0, cancelled = 0, levels = {}}
    queues[queue] = here
  end
  if not here.levels[level] then here.levels[level] = {} end
  line, line_queue, line_level = here, queue, level
end

for k = 1, n do
  local i, value = 9 * k - 7, values[k]
  local state, level, flags, seq, fence
  if value then state, level, flags, seq, fence = struct.unpack('<BBHdd', value) end
  if flags then flags = flags - bit.band(flags, 384) end -- who holds it, and how, does not matter any more
  local simple = state == RUNNING and flags <= 1 and fence == tonumber(ARGV[i + 1])
  local ttl = ARGV[i + 5]
  if simple and ARGV[i + 2] == 'F' and ARGV[i + 8] == '' and ttl ~= '0' and not seen[ARGV[i]] then
    local id, queue, task = ARGV[i], struct.unpack('<ss', value, 97)
    seen[id] = true
    if queue ~= line_queue or level ~= line_level then line_of(queue, level) end
    if flags == 0 then
      local numbers = line.levels[level]
      numbers[#numbers + 1] = seq
    else -- the envelope is not in the stream
      line.aside[#line.aside + 1] = id
      ended[#ended + 1] = P .. 'm:' .. id
    end
    line.ids[#line.ids + 1] = id
    if ARGV[i + 3] == '4' then line.succeeded = line.succeeded + 1 else line.cancelled = line.cancelled + 1 end
    ended[#ended + 1] = keys[k]
    listed[#listed + 1] = string.sub(value, 5, 12) .. id
    local of_task = listed_of[task]
    if of_task then of_task[#of_task + 1] = listed[#listed] else listed_of[task] = {listed[#listed]} end
    if ARGV[i + 3] ~= '4' then listed_cancelled[#listed_cancelled + 1] = listed[#listed] end
    call('SET', P .. 'r:' .. id, struct.pack('<Bdd', ARGV[i + 3], now, now + ttl) .. string.sub(value, 5, 24)
      .. string.sub(value, 97) .. ARGV[i + 4], 'PX', ttl)
    answers[k] = 1
  else
    others[#others + 1] = i
  end
end
for queue, here in pairs(queues) do
  for level, numbers in pairs(here.levels) do many('XDEL', numbers, P .. 's' .. level .. ':' .. queue) end
  many('ZREM', here.aside, P .. 'aside:' .. queue)
  many('ZREM', here.ids, P .. 'l:' .. queue)
  tell_of('e', here.ids)
  tell_of('j', here.ids)
  call('HINCRBY', P .. 'n:' .. queue, 'running', -#here.ids)
  if here.succeeded > 0 then call('HINCRBY', P .. 'n:' .. queue, 'succeeded', here.succeeded) end
  if here.cancelled > 0 then call('HINCRBY', P .. 'n:' .. queue, 'cancelled', here.cancelled) end
end
many('UNLINK', ended)
note_finished(listed)
note_finished_of(listed_of)
note_finished(listed_cancelled, 'recent:cancelled')
if #others > 0 then slowly(others, answers) end
return answers
