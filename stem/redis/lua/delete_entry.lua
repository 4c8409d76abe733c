-- delete_entry(skew, id) -> 1, or 0 when it was not there
-- when full: goes on
-- uses: schedules
call('ZREM', P .. 'schz', ARGV[2])
local gone = call('HDEL', P .. 'sch', ARGV[2])
note_change()
return gone
