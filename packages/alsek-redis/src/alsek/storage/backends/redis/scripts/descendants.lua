-- The results written with this progenitor, oldest write first; names of results that are gone are dropped.
-- ARGV[2] progenitor
-- Returns: flat: uuid, bytes
-- Needs: base
local index, answer = P .. 'descendants:' .. ARGV[2], {}
for _, uuid in ipairs(call('ZRANGE', index, 0, -1)) do
  local found = uuid ~= ARGV[2] and call('GET', P .. 'results:' .. uuid)
  if found then
    answer[#answer + 1] = uuid
    answer[#answer + 1] = found
  else
    call('ZREM', index, uuid)
  end
end
return answer
