-- Notices when no worker could reach the store.

-- Note that a worker has reached the store. If no worker has for longer than a lease, that was an outage: each worker whose
-- whole lease has passed is given a new one. This is noted once a second at most, so an outage may seem that much longer.
local function heartbeat(lease)
  local last = tonumber(call('HGET', COUNTERS, 'beat') or -1) or -1
  local silence = NOW - last
  commit()
  if silence >= 0 and silence <= math.min(lease / 8, 1000) then return end
  call('HSET', COUNTERS, 'beat', int(NOW))
  if last < 0 then return end
  for _, worker in ipairs(call('ZRANGEBYSCORE', WORKERS, '-inf', int(NOW))) do
    local its_lease = tonumber(call('HGET', P .. 'leases', worker) or lease) or lease
    if its_lease <= silence then call('ZADD', WORKERS, int(NOW + its_lease), worker) end
  end
end
