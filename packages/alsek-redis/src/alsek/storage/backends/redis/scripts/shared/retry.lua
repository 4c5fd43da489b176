-- Retries a message.
-- Needs: enter header status
-- With keys: bonds waiting

-- Store a message that is in no state for another attempt after `pause` ms, and write RETRYING. `changes` are those of the
-- tail of its header: `;key=value` sets a field, `;key` alone removes it; all other fields stay as they are.
-- `behind` is its unique key if it waits behind the holder of that: then it goes on waiting.
local function requeue(uuid, h, pause, changes, payload, behind)
  if string.find(h.tail, ';l=', 1, true) then rarely().with_keys().free_places(uuid, h.tail) end
  h.arrival, h.ttl, h.expiry = call('HINCRBY', COUNTERS, 'arrival', 1) or h.arrival, '0', '0'
  for field, key in string.gmatch(changes, '(;(%w+)[^;]*)') do
    h.tail = string.gsub(h.tail, ';' .. key .. '=[^;]*', '')
    if string.find(field, '=', 1, true) then h.tail = h.tail .. field end
  end
  write_record(uuid, format(h) .. payload)
  if behind then
    rarely().with_keys().wait_behind(behind, h, uuid, NOW + pause)
  elseif pause > 0 then
    enter_delayed(h, uuid, NOW + pause)
  else
    enter_ready(h, uuid)
  end
  write_status(uuid, @RETRYING@, h.status_ttl)
end
