-- run_events(skew, limit) -> {{topic, event}..., {run, number, message}...}: the newest events and unread messages
-- uses: run_life
-- numbers: SCAN_LIMIT
local events, mails = {}, {}
local limit, from = tonumber(ARGV[2]), 0
while #events < 2 * limit and from < SCAN_LIMIT do -- events that are over are listed until they are swept
  local topics = call('ZREVRANGE', F .. 'evs', from, from + limit - 1)
  for _, topic in ipairs(topics) do
    if #events < 2 * limit and runs.live_event(topic) then
      events[#events + 1] = topic
      events[#events + 1] = call('GET', F .. 'e:' .. topic)
    end
  end
  from = from + limit
  if #topics < limit then break end
end
for _, member in ipairs(call('ZREVRANGE', F .. 'unread', 0, ARGV[2] - 1)) do
  local id, nr = string.match(member, '^(.-)%z(.*)$')
  local mail = call('HGET', F .. 'm:' .. id, nr)
  if mail then
    mails[#mails + 1] = id
    mails[#mails + 1] = nr
    mails[#mails + 1] = mail
  end
end
return {events, mails}
