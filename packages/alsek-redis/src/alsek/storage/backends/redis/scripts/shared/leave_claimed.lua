-- Transitions: messages are no longer claimed.
-- Needs: bulk

-- End a worker's claims on these messages. No other function ends single claims; forget_worker() ends all of a worker.
local function leave_claimed(claims, uuids)
  bulk('HDEL', claims, uuids)
end
