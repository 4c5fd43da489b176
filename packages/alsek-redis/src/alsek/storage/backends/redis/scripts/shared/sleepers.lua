-- Workers that sleep, and may be pushed messages (docs/decisions/0021). `sleeping` is a hash: worker ->
-- seq|room|pushes|since|kind|queues: the number of its next step, how many messages more it may be pushed (with two kinds of
-- slots, how many for each, '/' between), how many it was pushed, when it became a sleeper, its kind, and its queues, each
-- behind a line feed (none for all queues).
-- sleepers:<list> is a sorted set for each list of shared/wakeups.lua on which such a worker waits for tokens: the workers
-- that have room for what is there, by the arrival number at which each became a sleeper, or was pushed a message.
local SLEEPING, SLEEPERS = P .. 'sleeping', P .. 'sleepers:'

-- What is noted of a sleeper; nil if nothing is.
local function sleeper_of(worker)
  local note = call('HGET', SLEEPING, worker)
  local form = '^(%d+)|(%d+)/?(%d*)|(%d+)|(%d+)|([%a-]+)|(.*)$'
  local seq, first, second, pushes, since, kind, queues = string.match(note or '', form)
  return seq and {
    seq = seq, room = { tonumber(first), tonumber(second) }, pushes = tonumber(pushes), since = tonumber(since),
    kind = kind, queues = queues
  }
end

-- Which of the two kinds of slots of a sleeper takes what the sleepers of this kind wait for.
local function slot_for(sleeper, kind)
  return sleeper.room[2] and kind == 'thread-async' and 2 or 1
end

-- The sorted sets in which a sleeper is while it has room -> which kind of slots that is.
local function sets_of_sleeper(sleeper)
  local sets = {}
  for _, kind in ipairs(@sleeper_kinds@) do
    local slot = slot_for(sleeper, kind)
    if sleeper.queues == '' then sets[SLEEPERS .. 'wakes:' .. kind] = slot end
    for queue in string.gmatch(sleeper.queues, '[^\n]+') do sets[SLEEPERS .. 'wake:' .. kind .. ':' .. queue] = slot end
  end
  return sets
end

-- Note a sleeper, and put it behind all others, at this arrival number, where it has room.
-- Answers false if another program has overwritten a key.
local function note_sleeper(worker, sleeper, arrival)
  local s = sleeper
  local room = int(s.room[1]) .. (s.room[2] and '/' .. int(s.room[2]) or '')
  local note = s.seq .. '|' .. room .. '|' .. int(s.pushes) .. '|' .. int(s.since) .. '|' .. s.kind .. '|' .. s.queues
  local written = call('HSET', SLEEPING, worker, note)
  for set, slot in pairs(sets_of_sleeper(s)) do
    if s.room[slot] > 0 then written = call('ZADD', set, int(arrival), worker) and written else call('ZREM', set, worker) end
  end
  return written
end

-- Let a sleeper be found no more, and keep what is noted of it for its next step.
local function leave_no_room(worker, sleeper)
  sleeper.room = { 0, sleeper.room[2] and 0 }
  note_sleeper(worker, sleeper)
end

-- The worker is pushed nothing more.
local function end_sleep(worker, sleeper)
  call('HDEL', SLEEPING, worker)
  for set in pairs(sleeper and sets_of_sleeper(sleeper) or {}) do call('ZREM', set, worker) end
end
