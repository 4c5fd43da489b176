-- A message as it is stored now.
-- ARGV[2] queue, ARGV[3] uuid
-- Returns: nil, or {state, record}
-- Needs: lookup
local h, record = lookup(ARGV[3], ARGV[2])
if not h then return false end
local state = state_of(ARGV[3], h)
return { state, record }
