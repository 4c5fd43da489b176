-- Writing and publishing a result.

-- The index lives as long as the longest-lived result in it; each write looks at two others, so that what is gone
-- makes up no more than about half of it, however long the chain goes on.
local function result(uuid, payload, ttl, token, progenitor)
  local record = string.sub(STAMP, 2) .. token .. '|' .. payload
  keep(P .. 'results:' .. uuid, record, ttl)
  if progenitor ~= '' then
    local index = P .. 'descendants:' .. progenitor
    local left = call('PTTL', index)
    for _, other in ipairs(call('ZRANDMEMBER', index, 2)) do
      if call('EXISTS', P .. 'results:' .. other) == 0 then call('ZREM', index, other) end
    end
    call('ZADD', index, call('HINCRBY', COUNTERS, 'write', 1), uuid)
    if ttl == '-1' then
      call('PERSIST', index)
    elseif left == -2 or (left >= 0 and left < tonumber(ttl)) then
      call('PEXPIRE', index, math.max(tonumber(ttl), 1))
    end
  end
  tell_result(uuid, record)
end
