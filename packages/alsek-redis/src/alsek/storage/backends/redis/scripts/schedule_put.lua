-- Store a new schedule, or change one in place. What was fired last stays, and so does a pause.
-- ARGV[2] name, ARGV[3] definition, ARGV[4] revision, ARGV[5] next_at or '', ARGV[6] the revision that is replaced; '' for none
-- Returns: its record, as in shared/schedule_records.lua; nil if another revision is stored than ARGV[6], or ARGV[5] was fired
-- Needs: schedule_offers schedule_records
local name = ARGV[2]
local s = read_schedule(name)
if s and s.revision == ARGV[4] then return call('HGET', SCHEDULES, name) end
if (s and s.revision or '') ~= ARGV[6] or s and was_fired(s, ARGV[5]) then return false end
local before = first_offer()
commit()
s = s or { last_at = '', last_uuid = '', paused_by = '', paused_since = '0' }
s.definition, s.revision, s.next_at = ARGV[3], ARGV[4], ARGV[5]
local record = write_schedule(name, s)
set_offer(name, offered_at(s), before)
return record
