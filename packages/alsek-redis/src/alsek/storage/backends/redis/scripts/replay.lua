-- Take a dead letter back among the messages, in place of its letter. That its uuid finished is no hindrance.
-- ARGV[2] uuid, ARGV[3] queue; the rest of the submission up to ARGV[9]; ARGV[10] when the letter was written
-- Returns: 1, also if that letter was taken back before; 0 if there is none, or such a message is stored
-- Needs: base dedup_window header wakeup_tokens effects enqueue status fading discard dead_letters submit
local uuid, queue = ARGV[2], ARGV[3]
local died_at = lives(uuid, queue) and
  string.match(call('GETRANGE', P .. 'letters:' .. uuid .. '\n' .. queue, '0', '20'), '^%d+')
if died_at ~= ARGV[10] then
  local known = requests_of({ uuid })
  return known[uuid] == 'replay' and 1 or 0
end
if call('HEXISTS', MESSAGES, uuid) == 1 then return 0 end
check_lists(queue)
look_at_delayed()
submit({ 2 }, 'replay', {})
discard(uuid, queue)
settle()
return 1
