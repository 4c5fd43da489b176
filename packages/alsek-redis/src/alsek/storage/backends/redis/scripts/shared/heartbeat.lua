-- Notices when no worker could reach the store, and what is so rare that nobody looks for it in each call.
-- Rarely: outage

-- Whether a queue may be paused, whether a message may be set aside: a text, or false. The scripts that pause, and
-- shared/set_aside.lua, write these fields.
local paused, aside

-- Note that a worker has reached the store. If no worker has for longer than a lease, that was an outage: each worker whose
-- whole lease has passed is given a new one. This is noted once a second at most, so an outage may seem that much longer.
local function heartbeat(lease)
  local beat
  beat, paused, aside = unpack(call('HMGET', COUNTERS, 'beat', 'paused', 'aside'))
  local last = tonumber(beat or -1) or -1
  local silence = NOW - last
  commit()
  if silence >= 0 and silence <= math.min(lease / 8, 1000) then return end
  call('HSET', COUNTERS, 'beat', int(NOW))
  if last < 0 then return end
  local ended = call('ZRANGEBYSCORE', WORKERS, '-inf', int(NOW))
  if ended[1] then rarely().spare_workers(ended, lease, silence) end
end
