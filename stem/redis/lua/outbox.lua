-- outbox(skew, limit, token...) -> {unix ms of the server, token, what...}
-- What was put out under these tokens and still is there. Without tokens: up to `limit` that have lain there for more
-- than five seconds, for whoever put them out is slow or gone; and what came in is forgotten when its time is over.
-- uses: base
local tokens, found = {unpack(ARGV, 3)}, {real}
if #tokens == 0 then
  call('ZREMRANGEBYSCORE', P .. 'in', '-inf', real)
  tokens = call('ZRANGEBYSCORE', P .. 'outz', '-inf', now - 5000, 'LIMIT', 0, ARGV[2])
end
for i = 1, #tokens do
  local what = call('HGET', P .. 'out', tokens[i])
  if what then
    found[#found + 1] = tokens[i]
    found[#found + 1] = what
  end
end
return found
