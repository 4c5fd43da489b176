-- The results whose last write named this progenitor, oldest write first. Entries of the index that are out of date are
-- removed.
-- ARGV[2] progenitor
-- Returns: flat: uuid, bytes
local index, answer = P .. 'descendants:' .. ARGV[2], {}
local entries = call('ZRANGE', index, 0, -1, 'WITHSCORES')
for i = 1, #entries, 2 do
  local uuid = entries[i]
  local found = uuid ~= ARGV[2] and call('GET', P .. 'results:' .. uuid)
  local write = found and string.match(found, '^%d+|%d+^(%d+)|')
  if write and tonumber(write) == tonumber(entries[i + 1]) then
    answer[#answer + 1] = uuid
    answer[#answer + 1] = found
  else
    redis.pcall('ZREM', index, uuid) -- a user who may not write can still read
  end
end
return answer
