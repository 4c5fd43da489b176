-- What some keys hold, and until when.
-- ARGV[2…] their names, after the prefix
-- Returns: flat: value (nil if there is none, or it is none of Alsek's), expiry ('' for never)
local answer = {}
for i = 2, #ARGV do
  local value = try('GET', P .. ARGV[i])
  local left = type(value) == 'string' and call('PTTL', P .. ARGV[i]) or -1
  answer[#answer + 1] = type(value) == 'string' and left ~= 0 and value
  answer[#answer + 1] = left > 0 and int(NOW + left) or ''
end
return answer
