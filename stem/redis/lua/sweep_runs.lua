-- sweep_runs(skew, limit) -> how many
-- when full: goes on
-- uses: run_life
local limit = tonumber(ARGV[2])
local done = runs.work(limit)
runs.flush()
for _, id in ipairs(call('ZRANGEBYSCORE', F .. 'over', '-inf', now, 'LIMIT', 0, limit)) do
  local row = runs.get(id)
  if row then runs.forget(id, row) else call('ZREM', F .. 'over', id) end
  done = done + 1
end
for _, topic in ipairs(call('ZRANGEBYSCORE', F .. 'ev', '-inf', now, 'LIMIT', 0, limit)) do
  if call('HEXISTS', F .. 'todo', 'wake\0' .. topic) == 0 then
    call('UNLINK', F .. 'e:' .. topic)
    call('ZREM', F .. 'ev', topic)
    call('ZREM', F .. 'evs', topic)
    done = done + 1
  end
end
runs.finish()
return done
