-- Delete a schedule. What it has submitted stays.
-- ARGV[2] name
-- Returns: 1, or 0 if there is none
-- Needs: schedule_changes
-- Flags: allow-oom
local name = ARGV[2]
local there = schedule_record(name)
commit()
delete_schedule(name)
return there and 1 or 0
