-- Claims of messages that their groups do not await any more.
-- Needs: enter groups header

-- The record of a message that is being claimed; if it is not awaited, with the mark that it is revoked, which is stored.
local function as_awaited(uuid, record, tail)
  if not is_dropped(tail, true) then return record end
  local h = parse(record)
  if not h or h.revoked == '1' then return record end
  h.revoked = '1'
  record = format(h) .. string.sub(record, h.body)
  write_record(uuid, record)
  return record
end
