-- Workers that sleep, and may be pushed messages (docs/decisions/0021). `sleeping` is a hash: worker ->
-- seq|room|pushes|since|kind|queues: the number of its next step, how many messages more it may be pushed, how many it was
-- pushed, when it became a sleeper, its kind, and its queues, each behind a line feed (none for all queues).
-- sleepers:<list> is a sorted set for each list of shared/wakeups.lua on which such a worker waits for tokens: the workers
-- that have room, by the arrival number at which each became a sleeper, or was pushed a message.
local SLEEPING, SLEEPERS = P .. 'sleeping', P .. 'sleepers:'

-- What is noted of a sleeper; nil if nothing is.
local function sleeper_of(worker)
  local note = call('HGET', SLEEPING, worker)
  local seq, room, pushes, since, kind, queues = string.match(note or '', '^(%d+)|(%d+)|(%d+)|(%d+)|([%a-]+)|(.*)$')
  return seq and
    { seq = seq, room = tonumber(room), pushes = tonumber(pushes), since = tonumber(since), kind = kind, queues = queues }
end

-- The sorted sets in which a sleeper is while it has room.
local function sets_of_sleeper(sleeper)
  local sets = {}
  for _, kind in ipairs(@sleeper_kinds@) do
    if sleeper.queues == '' then sets[#sets + 1] = SLEEPERS .. 'wakes:' .. kind end
    for queue in string.gmatch(sleeper.queues, '[^\n]+') do sets[#sets + 1] = SLEEPERS .. 'wake:' .. kind .. ':' .. queue end
  end
  return sets
end

-- Note a sleeper that has this room, and put it behind all others, at this arrival number; one without room need not be found.
-- Answers false if another program has overwritten a key.
local function note_sleeper(worker, sleeper, room, arrival)
  local s = sleeper
  local note = s.seq .. '|' .. int(room) .. '|' .. int(s.pushes) .. '|' .. int(s.since) .. '|' .. s.kind .. '|' .. s.queues
  local written = call('HSET', SLEEPING, worker, note)
  for _, set in ipairs(sets_of_sleeper(s)) do
    if room > 0 then written = call('ZADD', set, int(arrival), worker) and written else call('ZREM', set, worker) end
  end
  return written
end

-- The worker is pushed nothing more.
local function end_sleep(worker, sleeper)
  call('HDEL', SLEEPING, worker)
  for _, set in ipairs(sleeper and sets_of_sleeper(sleeper) or {}) do call('ZREM', set, worker) end
end
