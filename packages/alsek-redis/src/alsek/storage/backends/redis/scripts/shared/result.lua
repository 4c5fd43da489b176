-- Writing and publishing a result: timestamp|token|payload; one with a progenitor is timestamp|token^write|payload, where
-- `write` is its score in the index of that progenitor. An entry of the index with another score is out of date.
-- Needs: status

-- The index lives as long as the longest-lived result in it; each write looks at two others, so that what is gone
-- makes up no more than about half of it, however long the chain goes on.
local function write_result(uuid, payload, ttl, token, progenitor)
  local index, left, others = progenitor ~= '' and P .. 'descendants:' .. progenitor, -2, {}
  local write
  if index then
    left, others = call('PTTL', index), call('ZRANDMEMBER', index, 2)
    write = call('HINCRBY', COUNTERS, 'write', 1) or NOW
  end
  commit()
  local record = string.sub(STAMP, 2) .. token .. (index and '^' .. int(write) or '') .. '|' .. payload
  set_for(P .. 'results:' .. uuid, record, ttl)
  if index then
    for _, other in ipairs(others) do
      if call('EXISTS', P .. 'results:' .. other) == 0 then call('ZREM', index, other) end
    end
    call('ZADD', index, int(write), uuid)
    extend_index(index, left, ttl == '0' and '1' or ttl)
  end
  publish_result(uuid, record)
end
