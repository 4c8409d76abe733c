-- uses: base
-- Workers that found nothing: hash 'nap' worker -> msgpack {address, queue...}, zset 'sl:<queue>' worker by time.

-- Take a worker off all lists; what it had said, or nil when it was on none.
local function get_up(worker)
  local said = call('HGET', P .. 'nap', worker)
  if not said then return nil end
  local nap = cmsgpack.unpack(said)
  call('HDEL', P .. 'nap', worker)
  for i = 2, #nap do call('ZREM', P .. 'sl:' .. nap[i], worker) end
  return nap
end

-- This worker has just found these queues empty.
local function lie_down(worker, address, queues)
  get_up(worker)
  local nap, at = {address}, string.format('%.0f', clock[1] * 1000000 + clock[2])
  for i = 1, #queues do
    nap[i + 1] = queues[i]
    call('ZADD', P .. 'sl:' .. queues[i], at, worker)
  end
  call('HSET', P .. 'nap', worker, cmsgpack.pack(nap))
end

-- Wake up to `jobs` workers that sleep on this queue, the longest asleep first. Who is gone is passed over. The next in
-- line is asked to look by itself a little later, for who was woken may hang.
local function ring(queue, jobs)
  local key, rung = P .. 'sl:' .. queue, false
  while true do
    local names = call('ZRANGE', key, 0, math.max(0, jobs - 1))
    if #names == 0 then return end
    if jobs <= 0 then
      local said = rung and call('HGET', P .. 'nap', names[1])
      if said then call('PUBLISH', P .. '@' .. cmsgpack.unpack(said)[1], 'l' .. names[1]) end
      return
    end
    for i = 1, #names do
      local nap = get_up(names[i])
      if not nap then
        call('ZREM', key, names[i])
      elseif call('PUBLISH', P .. '@' .. nap[1], 'w' .. names[i]) > 0 then
        jobs, rung = jobs - 1, true
      end
    end
  end
end
