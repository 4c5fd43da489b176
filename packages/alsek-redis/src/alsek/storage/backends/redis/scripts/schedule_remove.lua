-- Delete a schedule. What it has submitted stays.
-- ARGV[2] name
-- Returns: 1, or 0 if there is none
-- Needs: schedule_offers schedule_records
-- Flags: allow-oom
local name = ARGV[2]
local there = call('HEXISTS', SCHEDULES, name)
first_offer()
commit()
call('HDEL', SCHEDULES, name)
set_offer(name, '')
return there
