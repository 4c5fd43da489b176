-- Take a dead letter back among the messages, in place of its letter. That its uuid finished is no hindrance.
-- ARGV[2] uuid, ARGV[3] queue; the rest of the submission up to ARGV[9]
-- Returns: 1, or 0 if there is no such letter, or such a message is stored
-- Needs: base window header tokens place put status fading discard letters submit
local uuid, queue = ARGV[2], ARGV[3]
if not lives(uuid, queue) or call('HEXISTS', MESSAGES, uuid) == 1 then return 0 end
check_lists(queue)
look_at_delayed()
submit({ 2 }, nil, {})
discard(uuid, queue)
settle()
return 1
