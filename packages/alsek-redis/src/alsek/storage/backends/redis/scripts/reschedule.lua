-- Replace a message's payload and make it delayed or ready, whoever holds it; a claim on it ends.
-- ARGV[2] queue, ARGV[3] uuid, ARGV[4] delay, ARGV[5] payload
-- Returns: 1, or 0 if it isn't there
-- Needs: detach effects enter first_due header lookup status
local queue, uuid, pause = ARGV[2], ARGV[3], tonumber(ARGV[4])
local h = lookup(uuid, queue)
if not h then return 0 end
read_first_due()
local place = locate(uuid, h)
commit()
detach(uuid, h, place)
h.arrival, h.ttl, h.expiry = call('HINCRBY', COUNTERS, 'arrival', 1) or h.arrival, '0', '0'
write_record(uuid, format(h) .. ARGV[5])
if pause > 0 then enter_delayed(h, uuid, NOW + pause) else enter_ready(h, uuid) end
write_status(uuid, RETRYING, h.status_ttl)
apply_effects()
return 1
