-- add_parts(skew, queue...) -> nothing
-- Queues that have a partition of their own: set 'parts'.
-- when full: goes on
-- uses: topics
if call('SADD', P .. 'parts', unpack(ARGV, 2)) > 0 then tell('p') end
