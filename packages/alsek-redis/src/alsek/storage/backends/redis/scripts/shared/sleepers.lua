-- Workers that sleep, and may be pushed messages (docs/decisions/0021). `sleeping` is a hash: worker ->
-- seq|room|pushes|since|arrival|kind|queues: the number of its next step, how many messages more it may be pushed (with two
-- kinds of slots, how many for each, '/' between), how many it was pushed, when it became a sleeper, the arrival number at
-- which it did, or was pushed a message, its kind, and its queues, each behind a line feed (none for all queues).
-- sleepers:<list> is a sorted set for each list of shared/wakeups.lua on which such a worker waits for tokens: the workers
-- that have room for what is there, by that arrival number.
local SLEEPING, SLEEPERS = P .. 'sleeping', P .. 'sleepers:'
local SLEEPER = '^(%d+)|(%d+)/?(%d*)|(%d+)|(%d+)|(%d+)|([%a-]+)|(.*)$'
local SLEEPER_PUSHES = '^%d+|%d+/?%d*|(%d+)|%d+|%d+|'

-- What is noted of a sleeper; nil if nothing is. `first` and `second` are its room. The caller may have read the note.
local function sleeper_of(worker, note)
  note = note or call('HGET', SLEEPING, worker) or ''
  local seq, first, second, pushes, since, arrival, kind, queues = string.match(note, SLEEPER)
  return seq and {
    worker = worker, seq = seq, first = tonumber(first), second = tonumber(second), pushes = tonumber(pushes),
    since = since, arrival = tonumber(arrival), kind = kind, queues = queues
  }
end

-- Put a sleeper into its sorted sets at this arrival number, where it has room, and take it out of the others; without a
-- number, out of all. Answers false if another program has overwritten one.
local function place_sleeper(sleeper, arrival)
  local placed = true
  for _, kind in ipairs(@sleeper_kinds@) do
    local room = sleeper.second and kind == 'thread-async' and sleeper.second or sleeper.first
    for queue in string.gmatch(sleeper.queues == '' and '\n' or sleeper.queues, '\n([^\n]*)') do
      local set = SLEEPERS .. (queue == '' and 'wakes:' .. kind or 'wake:' .. kind .. ':' .. queue)
      if not arrival or room == 0 then
        call('ZREM', set, sleeper.worker)
      elseif not call('ZADD', set, arrival, sleeper.worker) then
        placed = false
      end
    end
  end
  return placed
end

-- The worker is pushed nothing more.
local function end_sleep(worker, sleeper)
  call('HDEL', SLEEPING, worker)
  if sleeper then place_sleeper(sleeper, nil) end
end

-- Note a sleeper, and put it behind all others at this arrival number (text), where it has room; without a number it has none from
-- here on, and is noted for its next step. Answers false if another program has overwritten a key: then it is no sleeper.
local function note_sleeper(sleeper, arrival)
  local s = sleeper
  if not arrival then s.first, s.second = 0, s.second and 0 end
  local room, pushes = int(s.first) .. (s.second and '/' .. int(s.second) or ''), s.pushes == 0 and '0' or int(s.pushes)
  local note = s.seq .. '|' .. room .. '|' .. pushes .. '|' .. s.since .. '|' .. (arrival or '0') .. '|' .. s.kind .. '|' .. s.queues
  if call('HSET', SLEEPING, s.worker, note) and place_sleeper(s, arrival) then return true end
  end_sleep(s.worker, s)
  return false
end
