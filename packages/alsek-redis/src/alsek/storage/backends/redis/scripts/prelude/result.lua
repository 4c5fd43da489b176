-- Writing and publishing a result.

-- The index lives as long as the longest-lived result in it.
local function result(uuid, payload, ttl, token, progenitor)
  local record = string.sub(STAMP, 2) .. token .. '|' .. payload
  keep(P .. 'results:' .. uuid, record, ttl)
  if progenitor ~= '' then
    local index = P .. 'descendants:' .. progenitor
    local left = call('PTTL', index)
    call('ZADD', index, call('HINCRBY', COUNTERS, 'write', 1), uuid)
    if ttl == '-1' then
      call('PERSIST', index)
    elseif left == -2 or (left >= 0 and left < tonumber(ttl)) then
      call('PEXPIRE', index, math.max(tonumber(ttl), 1))
    end
  end
  tell_result(uuid, record)
end
