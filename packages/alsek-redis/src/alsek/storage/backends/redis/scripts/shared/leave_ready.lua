-- Transition: a message leaves a ready set. A set that is empty then is removed from its index too. No other function takes a
-- message out of a ready set, but leave_when_picked().

local function leave_ready(set, member)
  call('ZREM', set.key, member)
  if call('EXISTS', set.key) == 0 then call('ZREM', set.index, set.queue) end
end
