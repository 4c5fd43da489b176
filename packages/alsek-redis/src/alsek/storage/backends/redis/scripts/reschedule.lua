-- Make a message delayed or ready for another attempt, whichever worker holds it; a claim on it ends.
-- ARGV[2] queue, ARGV[3] uuid, ARGV[4] delay, ARGV[5] changes of its header's tail, ARGV[6] another payload, if any
-- Returns: 1, or 0 if it isn't there
-- Needs: detach effects first_due lookup retry
local queue, uuid = ARGV[2], ARGV[3]
local h, record = lookup(uuid, queue)
if not h then return 0 end
read_first_due()
local place = locate(uuid, h)
commit()
detach(uuid, h, place)
requeue(uuid, h, tonumber(ARGV[4]), ARGV[5], ARGV[6] or string.sub(record, h.body),
  place.waits_for and string.match(place.waits_for, '^u:([^|]*)|'))
apply_effects()
return 1
