-- Transition: messages leave a ready set, all that pick() has taken from it. As leave_ready().

local function leave_when_picked(set)
  call('ZREMRANGEBYRANK', set.key, '0', int((set.at - 1) / 2 - 1))
  if set.list[set.at] then return end
  if call('EXISTS', set.key) == 0 then call('ZREM', set.index, set.queue) end
end
