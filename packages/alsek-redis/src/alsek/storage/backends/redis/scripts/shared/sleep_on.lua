-- The step of a worker that goes on sleeping.
-- KEYS[6] its claims; ARGV[4] its lease; ARGV[8…] its queues; from ARGV[after] on its sequence number and what follows in step.lua
-- Needs: heartbeat sleepers
-- Later: plain_outcomes

-- Let the worker be the sleeper with this room, if nothing is due and so on: see shared/idle_step.lua. Answers what step.lua answers.
-- If that must go on instead, answers nil: nothing is written then, or all that belongs to the outcomes, which are taken out of ARGV.
local function sleep_on(after, received, sleeper)
  local worker, claims, seq, n = sleeper.worker, KEYS[6], ARGV[after], #ARGV
  local outcomes = after + 2 < n
  local uuids = {}
  if outcomes then uuids = later().plain_uuids(after + 2, n - 1) end
  if not uuids then return nil end
  local entries = call('HMGET', claims, '', unpack(uuids))
  local last, next_seq = string.match(entries[1] or '0 \n', '^(%d+) \n'), seq + 1
  if not last or next_seq <= last + 1 or outcomes and not later().are_held(entries, after + 2) then return nil end
  local due, lease = call('ZRANGE', DELAYED, '0', '0', 'WITHSCORES'), call('ZRANGE', WORKERS, '0', '0', 'WITHSCORES')
  local left = due[1] and due[2] - NOW or -1
  if due[1] and left <= 0 or not lease[1] or tonumber(lease[2]) <= NOW then return nil end
  if lease[1] ~= worker and not call('ZSCORE', WORKERS, worker) then return nil end
  local note = try('HGET', SLEEPING, worker)
  if type(note) == 'table' then return nil end
  local pushes = string.match(note or '', SLEEPER_PUSHES)
  if received ~= '' and pushes ~= received and tonumber(pushes or math.huge) > tonumber(received) then return nil end
  heartbeat(tonumber(ARGV[4]))
  if paused or aside then return nil end

  if outcomes then later().apply_plain(claims) end
  local arrival = not next(faults) and call('HINCRBY', COUNTERS, 'arrival', '1')
  if not arrival then
    faults[COUNTERS] = nil -- it will be seen again
    for _ = after + 2, n - 1 do table.remove(ARGV, after + 2) end
    return nil
  end
  call('HSET', claims, '', seq .. ' \n')
  sleeper.seq, sleeper.first, sleeper.second = int(next_seq), math.min(sleeper.first, @most_pushes@), sleeper.second and math.min(sleeper.second, @most_pushes@)
  sleeper.queues = after > 8 and '\n' .. table.concat(ARGV, '\n', 8, after - 1) or ''
  return { left, 0, note_sleeper(sleeper, int(arrival)) and 2 or 0 }
end
