-- Pause a schedule: it is offered no more.
-- ARGV[2] name, ARGV[3] by whom
-- Returns: 1; 0 if it is not stored, or paused already
-- Needs: schedule_offers schedule_records
local name = ARGV[2]
local s = read_schedule(name)
if not s or s.paused_by ~= '' then return 0 end
first_offer()
commit()
s.paused_by, s.paused_since = ARGV[3], int(NOW)
write_schedule(name, s)
set_offer(name, '')
return 1
