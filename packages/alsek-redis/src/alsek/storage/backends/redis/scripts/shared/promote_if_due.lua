-- Promotes delayed messages if any is due.
-- Needs: first_due
-- Rarely: promotion

-- With `only_look` nothing changes. Answers the milliseconds until the next message is due, -1 if none is delayed.
local function promote_if_due(dlq_ttl, only_look)
  if not first_due then return -1 end
  local left = first_due - NOW
  return (left > 0 or only_look) and math.max(left, 0) or rarely().promote(dlq_ttl)
end
