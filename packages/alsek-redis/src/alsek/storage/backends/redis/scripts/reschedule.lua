-- Replace a message's payload and make it delayed or ready, whoever holds it; a claim on it ends.
-- ARGV[2] queue, ARGV[3] uuid, ARGV[4] delay, ARGV[5] payload
-- Returns: 1, or 0 if it isn't there
-- Needs: base header wakeup_tokens effects enqueue status lookup withdraw
local queue, uuid, pause = ARGV[2], ARGV[3], tonumber(ARGV[4])
local h = look(uuid, queue)
if not h then return 0 end
look_at_delayed()
local place = whereabouts(uuid, h)
commit()
take_away(uuid, h, place)
h.arrival, h.ttl, h.expiry = call('HINCRBY', COUNTERS, 'arrival', 1) or h.arrival, '0', '0'
write(uuid, format(h) .. ARGV[5])
if pause > 0 then delay(h, uuid, NOW + pause) else ready(h, uuid) end
status(uuid, RETRYING, h.status_ttl)
settle()
return 1
