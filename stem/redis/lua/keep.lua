-- keep(skew, {id, fence, queue, task, state, record, keep ms}...) -> nothing
-- Records of jobs that live in another engine; a record of a later fence stays.
-- when full: goes on
-- uses: job watchers
for i = 2, #ARGV, 7 do
  local id, fence, there = ARGV[i], tonumber(ARGV[i + 1]), result(ARGV[i])
  if not there or select(5, struct.unpack(RESULT, there)) <= fence then
    local job = {[SETTLED] = fence, [SEQ] = next_numbers('seq', 1), [DELIVERIES] = 0, [QUEUE] = ARGV[i + 2],
      [TASK] = ARGV[i + 3], [WORKER] = ''}
    keep(id, job, tonumber(ARGV[i + 4]), ARGV[i + 5], ARGV[i + 6])
    list_finished(id, job, tonumber(ARGV[i + 4]))
    tell_ended(id)
  end
end
flush()
