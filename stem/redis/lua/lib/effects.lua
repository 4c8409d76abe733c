-- uses: base publishing groups outbox runs
-- Effects as packed words: 'E' and the eight of a job to be published; 'A', group, member, '1' if it succeeded, value;
-- 'C', run, key, source, outcome, value: what a workflow run waits for; 'O', token, what: it belongs to another partition.
local function bring_about(packed, rings)
  local words, at = words_of(packed), 1
  while words[at] do
    if words[at] == 'A' then
      arrive(words[at + 1], words[at + 2], words[at + 3] == '1', words[at + 4], rings)
      at = at + 5
    elseif words[at] == 'C' then
      runs.complete(words[at + 1], words[at + 2], words[at + 3], words[at + 4], words[at + 5])
      at = at + 6
    elseif words[at] == 'O' then
      put_out(words[at + 1], words[at + 2])
      at = at + 3
    else
      publish({unpack(words, at + 1, at + 8)}, rings)
      at = at + 9
    end
  end
end
