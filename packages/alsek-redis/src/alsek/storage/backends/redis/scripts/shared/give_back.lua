-- Claimed messages become ready again.
-- Needs: enter header set_aside status unreadable_records
-- With keys: bonds

-- At its old place, with `losses` more; `code` is the status that is written. The time in which it was claimed does not
-- count towards its ttl, which begins anew unless it had expired before. Without its record there is nothing to give back.
-- The caller ends the claim. With `task` the message is set aside for it.
local function give_back(uuid, h, flags, losses, code, dlq_ttl, task)
  if string.find(h.tail, ';l=', 1, true) then rarely().with_keys().free_places(uuid, h.tail) end
  local renewed = h.ttl ~= '0' and flags < 2
  if losses > 0 or renewed then
    local record = call('HGET', MESSAGES, uuid)
    if not record then return end
    local body = (parse(record) or {}).body
    if not body then return reject_unreadable(uuid, h.queue, record, dlq_ttl, h.tail) end
    h.losses = int(h.losses + losses)
    if renewed then h.expiry = int(NOW + h.ttl) end
    write_record(uuid, format(h) .. string.sub(record, body))
  end
  local suspect = flags % 2 == 1
  if task then enter_aside(h, uuid, suspect, task) else enter_ready(h, uuid, suspect) end
  write_status(uuid, code, h.status_ttl)
end
