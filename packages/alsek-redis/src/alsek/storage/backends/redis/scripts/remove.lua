-- Remove a message in whatever state, whoever holds it. Its uuid is new again at once.
-- ARGV[2] queue, ARGV[3] uuid
-- Returns: 1, or 0 if it isn't there
-- Needs: base header tokens place status find
-- Flags: allow-oom
local queue, uuid = ARGV[2], ARGV[3]
local h = look(uuid, queue)
if not h then return 0 end
take_away(uuid, h)
call('HDEL', MESSAGES, uuid)
tally(queue, -1)
settle()
tell_result(uuid)
return 1
