-- That workers reach the store.

-- Some worker reached the store. Whose whole lease has passed without any worker doing so is given a new one: that was an
-- outage. This is noted once a second at most, so an outage may seem longer than it was by so much.
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

-- The lease of a worker begins anew.
local function extend_lease(worker, lease)
  call('ZADD', WORKERS, int(NOW + tonumber(lease)), worker)
  call('HSET', P .. 'leases', worker, lease)
end
