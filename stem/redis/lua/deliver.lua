-- deliver(skew, {token, taken, effect}...) -> {{token...}, {token...}}
-- Bring about what another partition put out, once for each token; the tokens of what came in, and of what this has put
-- out here. `taken` is when it was seen there, unix ms: who was away for longer may hold what was delivered meanwhile.
-- when full: goes on
-- uses: effects
local came, rings = {}, {}
for i = 2, #ARGV, 3 do
  if real <= ARGV[i + 1] + 30000 then
    came[#came + 1] = ARGV[i]
    if not call('ZSCORE', P .. 'in', ARGV[i]) then
      call('ZADD', P .. 'in', real + 2592000000, ARGV[i])
      bring_about(ARGV[i + 2], rings)
    end
  end
end
flush()
ring_all(rings)
return {came, tokens_out}
