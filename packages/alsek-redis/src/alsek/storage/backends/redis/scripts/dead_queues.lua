-- How many dead letters each queue has; what has expired does not count.
-- ARGV[2] a queue, or '' for all
-- Returns: flat: queue, number
-- Needs: base tokens place status letters
local answer = {}
for _, queue in ipairs(ARGV[2] ~= '' and { ARGV[2] } or call('SMEMBERS', P .. 'dead')) do
  trim(queue)
  answer[#answer + 1] = queue
  answer[#answer + 1] = call('ZCOUNT', P .. 'fading:' .. queue, '(' .. int(NOW), '+inf')
end
return answer
