-- let_go(skew, token...) -> nothing
-- What has come in lies nowhere else any more: it is remembered for as long as somebody may still hold it.
-- when full: goes on
-- uses: base
for i = 2, #ARGV do call('ZADD', P .. 'in', 'XX', real + 90000, ARGV[i]) end
