-- Writing and publishing a result: timestamp|token|payload; one with a progenitor is timestamp|token^write|payload, where
-- `write` is its score in the index of that progenitor. An entry of the index with another score is out of date.

-- The index lives as long as the longest-lived result in it; each write looks at two others, so that what is gone
-- makes up no more than about half of it, however long the chain goes on.
local function result(uuid, payload, ttl, token, progenitor)
  local write = progenitor ~= '' and call('HINCRBY', COUNTERS, 'write', 1)
  local record = string.sub(STAMP, 2) .. token .. (write and '^' .. int(write) or '') .. '|' .. payload
  keep(P .. 'results:' .. uuid, record, ttl)
  if write then
    local index = P .. 'descendants:' .. progenitor
    local left = call('PTTL', index)
    for _, other in ipairs(call('ZRANDMEMBER', index, 2)) do
      if call('EXISTS', P .. 'results:' .. other) == 0 then call('ZREM', index, other) end
    end
    call('ZADD', index, write, uuid)
    if ttl == '-1' then
      call('PERSIST', index)
    elseif left == -2 or (left >= 0 and left < tonumber(ttl)) then
      call('PEXPIRE', index, math.max(tonumber(ttl), 1))
    end
  end
  tell_result(uuid, record)
end
