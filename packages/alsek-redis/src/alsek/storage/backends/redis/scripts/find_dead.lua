-- The dead letters of a uuid, in whatever queue.
-- ARGV[2] uuid
-- Returns: flat: queue, bytes
-- Needs: dead_letter_lookup
local uuid, answer = ARGV[2], {}
for _, queue in ipairs(call('SMEMBERS', P .. 'dead')) do
  local letter = letter_exists(uuid, queue) and call('GET', P .. 'letters:' .. uuid .. '\n' .. queue)
  if letter then
    answer[#answer + 1] = queue
    answer[#answer + 1] = letter
  end
end
return answer
