-- dead_purge(skew, id...) -> how many
-- Forget these dead letters.
-- when full: goes on
-- uses: dead
local purged = 0
for i = 2, #ARGV do
  local job = dead_letter(ARGV[i])
  if job then
    drop_dead(ARGV[i], job)
    purged = purged + 1
  end
end
flush()
return purged
