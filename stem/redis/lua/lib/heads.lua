-- uses: base
-- numbers: GUARD_EVERY
-- The head of a queue: string 'h:<queue>' packed {paused, tick, per level: queued, of them in 'b', cursor in the stream}.

local LINE = '<BI4I4I4dI4I4dI4I4dI4I4dI4I4dI4I4dI4I4dI4I4dI4I4dI4I4d'
local PAUSED, TICK = 1, 2
-- Bytes of envelopes that one claim hands out, and a few more.
local SIZE = 4000000
local lines = {}
local function queued_at(level) return 3 + 3 * level end
local function back_at(level) return 4 + 3 * level end
local function cursor_at(level) return 5 + 3 * level end

-- Whether the next claim of this queue is one that serves a rotating level first: core/priority.py.
local function is_guarded(line) return line[TICK] % GUARD_EVERY == GUARD_EVERY - 1 end

-- The queue, or false when it was never used.
local function find_line(queue)
  local line = lines[queue]
  if line == nil then
    local value = call('GET', P .. 'h:' .. queue)
    line = value and {struct.unpack(LINE, value)}
    lines[queue] = line
  end
  return line
end

local function new_line(queue)
  local line = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
  lines[queue] = line
  call('SADD', P .. 'qs', queue)
  return line
end

local function save_line(queue, line)
  call('SET', P .. 'h:' .. queue, struct.pack(LINE, unpack(line, 1, 32)))
end

-- The first of a zset of times, or nil.
local function first_of(key)
  local head = call('ZRANGE', key, 0, 0, 'WITHSCORES')
  return head[2] and tonumber(head[2])
end
