-- uses: base topics
-- Hash 'sch' id -> 'version|next|enabled|last|fired|spec', a time that is not there being empty; zset 'schz' of next
-- times; counter 'schn' of changes.

local function get_entry(id)
  local value = call('HGET', P .. 'sch', id)
  return value and {string.match(value, '^(%d+)|(%d*)|(%d)|(%d*)|(%d+)|(.*)$')}
end

local function note_change()
  call('INCR', P .. 'schn')
  tell('s')
end

local function put_entry(id, entry)
  local value = table.concat(entry, '|')
  call('HSET', P .. 'sch', id, value)
  if entry[3] == '1' and entry[2] ~= '' then
    call('ZADD', P .. 'schz', entry[2], id)
  else
    call('ZREM', P .. 'schz', id)
  end
  note_change()
  return value
end
