-- How many dead letters each queue has, without expired ones. An overwritten list counts as empty.
-- ARGV[2] a queue, or '' for all
-- Returns: flat: queue, number
local answer = {}
for _, queue in ipairs(ARGV[2] ~= '' and { ARGV[2] } or call('SMEMBERS', P .. 'dead')) do
  local many = try('ZCOUNT', P .. 'fading:' .. queue, '(' .. int(NOW), '+inf')
  answer[#answer + 1] = queue
  answer[#answer + 1] = type(many) == 'number' and many or 0
end
return answer
