-- Transitions: messages are no longer delayed.
-- Needs: bulk

-- Remove these members. No other function takes a message out of the delayed ones.
local function leave_delayed(members)
  bulk('ZREM', DELAYED, members)
end
