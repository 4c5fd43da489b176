-- Delayed messages: whether any is due.
-- Needs: effects
-- Rarely: promotion

-- Make what is due ready, unless the caller only looks. Answers the milliseconds until the next one is, -1 if none is
-- delayed.
local function promote_if_due(dlq_ttl, only_look)
  if not first_due then return -1 end
  local left = first_due - NOW
  return (left > 0 or only_look) and math.max(left, 0) or rarely().promote(dlq_ttl)
end
