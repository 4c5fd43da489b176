-- Leases of workers.

-- The lease of a worker begins anew.
local function extend_lease(worker, lease)
  call('ZADD', WORKERS, int(NOW + tonumber(lease)), worker)
  call('HSET', P .. 'leases', worker, lease)
end
