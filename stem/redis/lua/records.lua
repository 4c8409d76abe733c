-- records(skew, id...) -> {record or false ...}
-- What became of these jobs.
-- uses: records
local answers = {}
for i = 2, #ARGV do answers[#answers + 1] = record_of(ARGV[i]) end
return answers
