-- Workers whose lease has ended.
-- Needs: status
-- Rarely: give_back

local taken_over

-- What lost workers held; `self` is evidently alive. At most 20 workers a step.
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
