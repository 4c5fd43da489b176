-- Remove a message in whatever state, whoever holds it. Its uuid is new again at once.
-- ARGV[2] queue, ARGV[3] uuid
-- Returns: 1, or 0 if it isn't there
-- Needs: base window header tokens place status find withdraw drop
-- Flags: allow-oom
local queue, uuid = ARGV[2], ARGV[3]
local h = look(uuid, queue)
if not h then return 0 end
local place = whereabouts(uuid, h)
commit()
take_away(uuid, h, place)
drop(uuid, h)
settle()
tell_result(uuid)
return 1
