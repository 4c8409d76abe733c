-- publish(skew, {id, queue, priority, when, expires, tail, envelope, more}...) -> {status, holder, ...}
-- Jobs into their lines; status 1: new, 0: the id is known, 2: the unique key is held.
-- uses: packed heads sleepers watchers
-- slowly: publishing_all
-- Most jobs are new, ready at once, and have neither key nor limit; they are written here, after a look at all of them.
local keys, ids, seen, n, plain = {}, {}, {}, 0, true
for i = 2, #ARGV, 8 do
  n = n + 1
  ids[n] = ARGV[i]
  keys[2 * n - 1], keys[2 * n] = P .. 't:' .. ARGV[i], P .. 'r:' .. ARGV[i]
  if seen[ARGV[i]] or ARGV[i + 3] ~= '' or ARGV[i + 7] ~= '' then plain = false end
  seen[ARGV[i]] = true
end
local known = plain and mget(keys) or {}
for k = 1, #known do
  if known[k] then plain = false end
end
if not plain then return slowly() end
local seq, written, answers, fresh = next_numbers('seq', n) - n, {}, {}, {}
for k = 1, n do
  local i = 8 * k - 6
  local queue, level = ARGV[i + 1], ARGV[i + 2]
  local line = find_line(queue) or new_line(queue)
  local place = queued_at(level)
  line[place] = line[place] + 1
  fresh[queue] = (fresh[queue] or 0) + 1
  call('XADD', P .. 's' .. level .. ':' .. queue, seq + k, ARGV[i], ARGV[i + 6])
  written[2 * k - 1] = keys[2 * k - 1]
  local expires = ARGV[i + 4] == '' and -1 or now + ARGV[i + 4]
  written[2 * k] = struct.pack(HEAD, QUEUED, level, 0, seq + k, -1, 0, 0, 0, 0, -1, now, now, expires, -1) .. ARGV[i + 5]
  answers[2 * k - 1], answers[2 * k] = 1, ''
end
many('MSET', written)
tell_of('j', ids)
for queue, jobs_ in pairs(fresh) do
  save_line(queue, lines[queue])
  ring(queue, jobs_)
end
return answers
