-- The results last written with this progenitor, oldest write first; names of others, and of results that are gone, are
-- dropped.
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
    redis.pcall('ZREM', index, uuid) -- who may only read reads all the same
  end
end
return answer
