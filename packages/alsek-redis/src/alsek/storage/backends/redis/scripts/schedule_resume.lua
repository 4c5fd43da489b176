-- Let a paused schedule go on.
-- ARGV[2] name, ARGV[3] its revision, ARGV[4] next_at or ''
-- Returns: 1; 0 if it is not stored under this revision, not paused, or has fired ARGV[4]
-- Needs: schedule_offers schedule_records
local name = ARGV[2]
local s = read_schedule(name)
if not s or s.revision ~= ARGV[3] or s.paused_by == '' or was_fired(s, ARGV[4]) then return 0 end
local before = first_offer()
commit()
s.paused_by, s.paused_since, s.next_at = '', '0', ARGV[4]
write_schedule(name, s)
set_offer(name, s.next_at, before)
return 1
