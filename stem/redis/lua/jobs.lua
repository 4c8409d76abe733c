-- jobs(skew, id...) -> {{id, state, lease until or '', {name, value...}}...}
-- These jobs as they are stored; those that are not live are left out.
-- uses: rows
local answers = {}
add_rows({unpack(ARGV, 2)}, answers)
return answers
