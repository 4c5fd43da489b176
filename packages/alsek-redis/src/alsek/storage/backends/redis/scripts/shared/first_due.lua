-- The first delayed message.

-- When the first delayed message is due; nil if none is delayed. A script that may delay a message reads it before its
-- first write.
local first_due
local function read_first_due()
  first_due = tonumber(call('ZRANGE', DELAYED, '0', '0', 'WITHSCORES')[2])
end
