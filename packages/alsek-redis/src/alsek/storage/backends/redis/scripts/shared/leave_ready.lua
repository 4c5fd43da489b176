-- Transitions: messages leave a ready set.

-- Remove `member`, or without it all members that pick() has taken from `set`. A set that is empty then is removed from
-- its index too. No other function takes a message out of a ready set.
local function leave_ready(set, member)
  if member then
    call('ZREM', set.key, member)
  else
    call('ZREMRANGEBYRANK', set.key, '0', int((set.at - 1) / 2 - 1))
    if set.list[set.at] then return end
  end
  if call('EXISTS', set.key) == 0 then call('ZREM', set.index, set.queue) end
end
