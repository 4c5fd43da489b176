-- Move a message to the dead letters, whoever holds it; a claim on it ends.
-- ARGV[2] queue, ARGV[3] uuid, ARGV[4] dlq_ttl, ARGV[5] error
-- Returns: 1, also if it is a dead letter already; 0 if it is in neither place
-- Needs: base dedup_window header wakeup_tokens effects status fading discard dead_letters lookup withdraw drop
-- Flags: allow-oom
local queue, uuid = ARGV[2], ARGV[3]
local h, record = look(uuid, queue)
if not h then return lives(uuid, queue) and 1 or 0 end
local place = whereabouts(uuid, h)
check_lists(queue)
commit()
take_away(uuid, h, place)
drop(uuid, h)
settle()
status(uuid, FAILED, h.status_ttl)
bury(uuid, queue, string.sub(record, h.body), ARGV[5], ARGV[4])
return 1
