-- Takes over what workers hold whose lease has ended.
-- Needs: status
-- Rarely: forget_worker

-- For the answer of a step, flat: worker, how many messages it held. nil if there was none.
local taken_over

-- Give back what such workers hold, with one loss more; at most 20 workers a step. `self` calls, so it is alive.
local function take_over(self, dlq_ttl)
  local first = call('ZRANGE', WORKERS, '0', '0', 'WITHSCORES')
  if not first[1] or tonumber(first[2]) > NOW then return end
  for _, worker in ipairs(call('ZRANGEBYSCORE', WORKERS, '-inf', int(NOW), 'LIMIT', 0, 20)) do
    if worker ~= self then
      taken_over = taken_over or {}
      taken_over[#taken_over + 1], taken_over[#taken_over + 2] = worker, rarely().forget_worker(worker, 1, RETRYING, dlq_ttl)
    end
  end
end
