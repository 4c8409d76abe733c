-- await_schedules(skew, changes, address) -> 1 when there were more changes, or 0: `address` will be told
-- when full: goes on
-- uses: schedules
if (call('GET', P .. 'schn') or '0') ~= ARGV[2] then return 1 end
arm('s', ARGV[3])
return 0
