-- The token bucket of core/rate.py, number for number: a bucket is {count, per, burst}, a level {parts, at, per}.

local function refill(bucket, level, at)
  local held = level[1]
  if level[3] ~= bucket[2] then held = math.floor(level[1] * bucket[2] / level[3]) end
  local gained = math.max(0, at - level[2]) * bucket[1]
  return {math.min(bucket[3] * bucket[2], held + gained), at, bucket[2]}
end

-- The level after taking tokens and true, or the refilled level and false.
local function take_tokens(bucket, level, at, tokens)
  local here = refill(bucket, level, at)
  local need = tokens * bucket[2]
  if here[1] < need then return here, false end
  here[1] = here[1] - need
  return here, true
end

local function available(bucket, level, at)
  return math.floor(refill(bucket, level, at)[1] / bucket[2])
end

local function wait_for(bucket, level, at, tokens)
  local missing = tokens * bucket[2] - refill(bucket, level, at)[1]
  if missing <= 0 then return 0 end
  return math.ceil(missing / bucket[1])
end
