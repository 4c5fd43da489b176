-- Writes and publishes results. A result is timestamp|token|payload; one with a progenitor is
-- timestamp|token^write|payload, where `write` is its score in the progenitor's index. An entry of the index with another
-- score is out of date.
-- Needs: index_ttl result_channel ttl

-- Store a result for `ttl` ms (text). The index lives as long as its longest-lived result. Each write looks at two other
-- entries and removes those whose result has expired, so that these stay below about half of the index. `at` is when it was
-- written first, if not now.
local function write_result(uuid, payload, ttl, token, progenitor, at)
  local index, left, others = progenitor ~= '' and P .. 'descendants:' .. progenitor, -2, {}
  local write
  if index then
    left, others = call('PTTL', index), call('ZRANDMEMBER', index, 2)
    write = call('HINCRBY', COUNTERS, 'write', 1) or NOW
  end
  commit()
  local record = int(at or NOW) .. '|' .. token .. (index and '^' .. int(write) or '') .. '|' .. payload
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
