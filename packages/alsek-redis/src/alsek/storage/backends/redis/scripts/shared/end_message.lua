-- Transitions: a message ends. Only these functions delete a message.
-- Needs: bulk counts dedup_window
-- With groups: group_ends
-- With keys: bonds
-- With reports: report_ends
local ended, remembered, offset = {}, {}, nil

-- End a message that has left its state. `how` it ended is a name of End in alsek-core, in small letters, or 'unplaced'. By
-- that its request is remembered for the window, so that the message is not accepted again; if its uuid is free for others,
-- with a mark '|' behind it; or nothing is remembered. What else follows from its end stands in the tail of its header, as far
-- as that is known; for its group also the error, and whether it failed because it was `revoked`; for what is kept of reports
-- how long its status and dead letter are kept. The caller writes its status, and calls write_ends().
local function end_message(uuid, queue, how, request, tail, status_ttl, error_text, revoked, dlq_ttl)
  local uuid_free = @uuid_free@
  ended[#ended + 1] = uuid
  if uuid_free or @uuid_taken@ then
    remembered[#remembered + 1] = uuid
    offset = offset or int(NOW % SPAN) .. '|'
    remembered[#remembered + 1] = offset .. request .. (uuid_free and '|' or '')
  end
  add_to_count(queue, -1)
  if (tail or '') == '' then return end
  if string.find(tail, ';[gj]=') then
    groups_noted = true
    rarely().with_groups().note_group_end(uuid, how, tail, error_text, revoked)
  end
  if string.find(tail, ';[kl]=') then rarely().with_keys().let_go(uuid, tail) end
  if string.find(tail, ';o=1', 1, true) then rarely().with_reports().end_report(uuid, status_ttl, dlq_ttl) end
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
