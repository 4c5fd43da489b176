-- Retrying a message.
-- Needs: enter header status

-- A tail with changes: `;key=value` sets a field, `;key` alone takes it out. What is not named stays as it is.
local function merge_tail(tail, changes)
  for field, key in string.gmatch(changes, '(;(%w+)[^;]*)') do
    tail = string.gsub(tail, ';' .. key .. '=[^;]*', '')
    if string.find(field, '=', 1, true) then tail = tail .. field end
  end
  return tail
end

-- Store a message of this header, which is in no state, for another attempt after `pause` ms; RETRYING is written.
local function requeue(uuid, h, pause, changes, payload)
  h.arrival, h.ttl, h.expiry = call('HINCRBY', COUNTERS, 'arrival', 1) or h.arrival, '0', '0'
  h.tail = merge_tail(h.tail, changes)
  write_record(uuid, format(h) .. payload)
  if pause > 0 then enter_delayed(h, uuid, NOW + pause) else enter_ready(h, uuid) end
  write_status(uuid, RETRYING, h.status_ttl)
end
