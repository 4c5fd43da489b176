-- Takes over what workers hold whose lease has ended.
-- Rarely: lost_worker

-- For the answer of a step, flat: worker, how many messages it held, its facts. nil if there was none.
local taken_over

-- Give back what such workers hold, with one loss more; at most 20 workers a step. `self` calls, so it is alive.
local function take_over(self, dlq_ttl)
  local first = call('ZRANGE', WORKERS, '0', '0', 'WITHSCORES')
  if not first[1] or tonumber(first[2]) > NOW then return end
  for _, worker in ipairs(call('ZRANGEBYSCORE', WORKERS, '-inf', int(NOW), 'LIMIT', 0, 20)) do
    if worker ~= self then
      taken_over = rarely().forget_lost_worker(taken_over or {}, worker, dlq_ttl)
    end
  end
end
