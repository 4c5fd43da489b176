-- Messages that are no more.
-- Needs: dedup_window effects
local OFFSET = NOW % SPAN .. '|'
local finished, gone = {}, {}

-- Gone, and remembered for the window, so that a repeated submission does not run again.
local function leave(uuid, request, queue)
  gone[#gone + 1] = uuid
  finished[#finished + 1] = uuid
  finished[#finished + 1] = OFFSET .. request
  add_to_count(queue, -1)
end

-- Do what leave() has noted.
local function forget_gone()
  if not gone[1] then return end
  local remembered = P .. 'finished:' .. HALF
  bulk('HDEL', MESSAGES, gone)
  bulk('HSET', remembered, finished)
  call('PEXPIRE', remembered, REMEMBERED)
end
