-- Removal by hand.
-- Needs: dedup_window effects

-- Remove a message that stands nowhere any more. Its uuid is new again; its request is remembered for the window, marked
-- by a '|' behind it, so that a repetition of that very submission does not store the message again.
local function drop(uuid, h)
  local remembered = P .. 'finished:' .. HALF
  call('HDEL', MESSAGES, uuid)
  call('HSET', remembered, uuid, NOW % SPAN .. '|' .. h.request .. '|')
  call('PEXPIRE', remembered, REMEMBERED)
  add_to_count(h.queue, -1)
end
