-- run_events(skew, limit) -> {{topic, event}..., {run, number, message}...}: the newest events and unread messages
-- uses: run_life
local events, mails = {}, {}
for _, topic in ipairs(call('ZREVRANGE', F .. 'evs', 0, ARGV[2] - 1)) do
  local event = runs.live_event(topic)
  if event then
    events[#events + 1] = topic
    events[#events + 1] = call('GET', F .. 'e:' .. topic)
  end
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
