-- uses: base
-- What shall happen in another partition: hash 'out' token -> packed effect, zset 'outz' token -> since when. What has
-- come in from others: zset 'in' token -> until when it is remembered.

-- Tokens that this script put out.
local tokens_out = {}

local function put_out(token, what)
  call('HSET', P .. 'out', token, what)
  call('ZADD', P .. 'outz', now, token)
  tokens_out[#tokens_out + 1] = token
end
