-- One batch of the messages of a queue. It scans the hash of the messages, not the keyspace.
-- ARGV[2] queue, ARGV[3] cursor
-- Returns: {cursor, uuid, state, record, …}
-- Needs: header lookup
local found = call('HSCAN', MESSAGES, ARGV[3], 'COUNT', 200)
local answer, pairs_ = { found[1] }, found[2]
for i = 1, #pairs_, 2 do
  local h = parse(pairs_[i + 1])
  if h and h.queue == ARGV[2] then
    local at = #answer
    answer[at + 1], answer[at + 2], answer[at + 3] = pairs_[i], (state_of(pairs_[i], h)), pairs_[i + 1]
  end
end
return answer
