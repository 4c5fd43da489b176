-- How many dead letters each queue has, without expired ones. An overwritten list counts as empty.
-- ARGV[2] a queue, or '' for all
-- Returns: flat: queue, number
-- Needs: number
local answer = {}
for _, queue in ipairs(ARGV[2] ~= '' and { ARGV[2] } or call('SMEMBERS', P .. 'dead')) do
  answer[#answer + 1] = queue
  answer[#answer + 1] = number(try('ZCOUNT', P .. 'fading:' .. queue, '(' .. int(NOW), '+inf'))
end
return answer
