-- Workers whose lease has ended when a worker comes after a silence.

-- Give a new lease to each of them whose whole lease was silence: it may not have reached the store. It is given no second
-- one before it has renewed the first, which a plus sign before its lease tells: so one that died is taken over also if the
-- others seldom come. `lease` is that of a worker that tells none.
local function spare_workers(ended, lease, silence)
  for _, worker in ipairs(ended) do
    local told = call('HGET', P .. 'leases', worker) or int(lease)
    local its_lease = tonumber(told) or lease
    if its_lease <= silence and string.byte(told) ~= 43 then
      call('ZADD', WORKERS, int(NOW + its_lease), worker)
      call('HSET', P .. 'leases', worker, '+' .. int(its_lease))
    end
  end
end
