-- Retries a message.
-- Needs: enter header status

-- Store a message that is in no state for another attempt after `pause` ms, and write RETRYING. `changes` are those of the
-- tail of its header: `;key=value` sets a field, `;key` alone removes it; all other fields stay as they are.
local function requeue(uuid, h, pause, changes, payload)
  h.arrival, h.ttl, h.expiry = call('HINCRBY', COUNTERS, 'arrival', 1) or h.arrival, '0', '0'
  for field, key in string.gmatch(changes, '(;(%w+)[^;]*)') do
    h.tail = string.gsub(h.tail, ';' .. key .. '=[^;]*', '')
    if string.find(field, '=', 1, true) then h.tail = h.tail .. field end
  end
  write_record(uuid, format(h) .. payload)
  if pause > 0 then enter_delayed(h, uuid, NOW + pause) else enter_ready(h, uuid) end
  write_status(uuid, RETRYING, h.status_ttl)
end
