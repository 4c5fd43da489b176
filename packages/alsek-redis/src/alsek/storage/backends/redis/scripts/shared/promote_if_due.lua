-- Promotes delayed messages if any is due.
-- Needs: first_due
-- Rarely: promotion

-- With `only_look` nothing changes. `schedules_due` is what read_first_due() has answered. Answers the milliseconds until
-- something is due, -1 if nothing will be; and the schedules that are offered to this worker, nil if there are none.
local function promote_if_due(dlq_ttl, only_look, schedules_due)
  local left = first_due and math.max(first_due - NOW, 0) or -1
  if left ~= 0 and not schedules_due then return left end
  if only_look then return rarely().time_left() end
  return rarely().promote(dlq_ttl)
end
