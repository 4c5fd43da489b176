-- Register a worker with a full lease. If it is registered, renew its lease.
-- KEYS[6] its claims
-- ARGV[2] worker id, ARGV[3] its lease; then, if it tells something of itself: ARGV[4] its kind, ARGV[5] '1' if it takes
-- messages of any task, ARGV[6] its facts as JSON, from ARGV[7] on the names of its tasks
-- Returns: nothing
-- Needs: bulk heartbeat leases
-- Rarely: sleepers
-- Flags: allow-oom
local worker = ARGV[2]
local facts, tasks = P .. 'facts', P .. 'tasks:' .. worker
local known = call('HEXISTS', KEYS[6], '') == 1
call('ZSCORE', WORKERS, worker)
call('HLEN', MESSAGES) -- fails if the namespace has partitions
local told = ARGV[4] and call('HGET', facts, worker)
heartbeat(tonumber(ARGV[3]))
extend_lease(worker, ARGV[3])
if not known then call('HSET', KEYS[6], '', '0 \n') end
if call('HEXISTS', P .. 'sleeping', worker) == 1 then rarely().end_sleep(worker, rarely().sleeper_of(worker)) end
if ARGV[4] then
  local since = string.match(told or '', '^%d+') or int(NOW)
  call('HSET', facts, worker, since .. '|' .. ARGV[4] .. '|' .. ARGV[5] .. '|' .. ARGV[6])
  -- A worker that version 0.1.0 has taken over leaves what it told.
  for _, other in ipairs(call('HRANDFIELD', facts, 2)) do
    if not call('ZSCORE', WORKERS, other) then
      call('HDEL', facts, other)
      call('HDEL', P .. 'running', other)
      call('DEL', P .. 'tasks:' .. other)
    end
  end
  call('DEL', tasks)
  local names = {}
  for i = 7, #ARGV do names[#names + 1] = ARGV[i] end
  bulk('SADD', tasks, names)
end
