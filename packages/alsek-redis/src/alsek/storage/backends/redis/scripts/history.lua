-- What was counted in some minutes.
-- ARGV[2] the first minute, ARGV[3] the last one
-- Returns: flat: minute, its fields and values
local answer = {}
for minute = tonumber(ARGV[2]), tonumber(ARGV[3]) do
  local rows = try('HGETALL', P .. 'history:' .. int(minute))
  if rows[1] then
    answer[#answer + 1] = minute
    answer[#answer + 1] = rows
  end
end
return answer
