-- numbers: SHORTEST_RENEWAL_MS LONGEST_DOUBT_MS
-- How long a lease that has ended is doubted, as core/lease.py decides.
local function doubt_ms(lease)
  local every = math.max(SHORTEST_RENEWAL_MS, math.floor(lease / 3))
  return every + math.min(LONGEST_DOUBT_MS, math.floor(every / 2))
end

