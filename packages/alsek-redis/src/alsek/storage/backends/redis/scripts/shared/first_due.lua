-- The first delayed message.

-- When the first delayed message is due; nil if none is delayed. A script that may delay a message reads it before its
-- first write. Schedules that are due (shared/schedule_offers.lua) stay among the delayed messages if workers fire none; they
-- tell nothing of when these look next, so they are passed over. Answers whether there are any.
local first_due
local function read_first_due()
  local first = call('ZRANGE', DELAYED, '0', '0', 'WITHSCORES')
  local schedules_due = first[1] == 'schedules' and tonumber(first[2]) <= NOW
  if schedules_due then first = call('ZRANGE', DELAYED, '1', '1', 'WITHSCORES') end
  first_due = tonumber(first[2])
  return schedules_due
end
