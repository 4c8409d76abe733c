-- alive(skew) -> {worker, end and time and info, ...}
-- Everybody present; those whose time is over are forgotten.
-- uses: base
local answers, all = {}, call('HGETALL', P .. 'hb')
for i = 1, #all, 2 do
  if struct.unpack('<d', all[i + 1]) > now then
    answers[#answers + 1] = all[i]
    answers[#answers + 1] = all[i + 1]
  else
    call('HDEL', P .. 'hb', all[i])
  end
end
return answers
