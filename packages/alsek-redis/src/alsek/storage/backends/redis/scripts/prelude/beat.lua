-- That workers reach the store.

-- Some worker reached the store. If none had for a whole lease, takeover waits one lease more.
local function beat(lease)
  local last = tonumber(call('HGET', COUNTERS, 'beat') or NOW)
  if NOW - last > lease then call('HSET', COUNTERS, 'grace', int(NOW + lease)) end
  if NOW - last > lease / 8 or last == NOW then call('HSET', COUNTERS, 'beat', int(NOW)) end
end
