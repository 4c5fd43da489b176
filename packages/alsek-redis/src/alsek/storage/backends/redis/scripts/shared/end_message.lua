-- Transitions: a message ends. Only these functions delete a message.
-- Needs: bulk dedup_window effects

-- What is remembered of an ended message for the window: its request, and a mark. A message that ran to its end is not
-- accepted again. One that was ended by hand (mark '|') is new to all requests but the one that brought it.
-- 'corrupt' and 'unplaced' are not in this table: nothing is remembered of them.
local MARKS = { succeeded = '', died = '', removed = '|', failed = '|' }
local OFFSET = NOW % SPAN .. '|'
local ended, remembered = {}, {}

-- End a message that has left its state. `how` it ended: succeeded, died, removed or failed (by hand), corrupt, unplaced.
-- The caller writes its status, and calls write_ends().
local function end_message(uuid, queue, how, request)
  ended[#ended + 1] = uuid
  if MARKS[how] then
    remembered[#remembered + 1] = uuid
    remembered[#remembered + 1] = OFFSET .. request .. MARKS[how]
  end
  add_to_count(queue, -1)
end

-- Delete the records of the messages that have ended, and remember their uuids.
local function write_ends()
  if not ended[1] then return end
  bulk('HDEL', MESSAGES, ended)
  if remembered[1] then
    local finished = P .. 'finished:' .. HALF
    bulk('HSET', finished, remembered)
    call('PEXPIRE', finished, REMEMBERED)
  end
  ended, remembered = {}, {}
end
