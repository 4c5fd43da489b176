-- What a step says of sleep and pushes: whether its worker sleeps if nothing is left for it, and how many of the messages
-- that it was pushed before have arrived.
-- ARGV[2], ARGV[3], ARGV[7], ARGV[8…] as in shared/ready_sets.lua
-- Needs: choice effects ready_sets sleepers
local sleeps, received, sleeper

-- The limit of a step whose `limit` is -1 less it. The last argument is 's' if the worker sleeps, and then the number of
-- pushes that have arrived, if it was a sleeper until now.
local function read_sleep(limit)
  sleeps, received = string.match(table.remove(ARGV), '^(s?)(%d*)$')
  sleeps, received = sleeps == 's', tonumber(received)
  return -1 - limit, true
end

-- As choose(), after a look at all sets at once, since nothing is to be expected.
local function choose_after_a_look(limit, picked)
  local keys = {}
  for _, class in ipairs(N_QUEUES <= 8 and { 'ready:', 'suspects:' } or {}) do
    for _, wish in ipairs(WISHES) do
      for n = 8, N_QUEUES < 0 and 8 or AFTER_QUEUES - 1 do
        keys[#keys + 1] = P .. class .. wish .. (N_QUEUES < 0 and '' or ':' .. ARGV[n])
      end
    end
  end
  if not keys[1] or call('EXISTS', unpack(keys)) > 0 then return choose(limit, picked, next_queue, CLASSES, SUSPECTS) end
  picked.drained, picked.unsuspected = true, true
  return picked
end

-- How many pushes have not arrived, and the limit beside them. nil for none; if another program has deleted the note, so many
-- that nothing is claimed.
local function missed_pushes(limit)
  sleeper = received and sleeper_of(ARGV[2])
  local missed = received and (sleeper and sleeper.pushes or math.huge) - received or 0
  if missed <= 0 then return nil, limit end
  return missed, math.max(0, limit - missed)
end

-- Whether the worker is a sleeper from here on, with room for so many messages of each kind of slots. A step that is sent again changes nothing.
local function is_sleeper(seq, repeated, room)
  local next_seq = int(seq + 1)
  if repeated then
    sleeper = sleeper_of(ARGV[2])
    return sleeper and sleeper.seq == next_seq
  end
  local fits = CLASSES[1] and N_QUEUES ~= 0 and N_QUEUES <= 8
  local first, second = room[1], room[2]
  if sleeps and math.max(first, second or 0) > 0 and fits and not (next(faults) or next(broken)) then
    sleeper = {
      worker = ARGV[2], seq = next_seq, first = math.min(first, @most_pushes@), second = second and math.min(second, @most_pushes@),
      pushes = 0, since = int(NOW), kind = ARGV[3], queues = N_QUEUES > 0 and '\n' .. table.concat(ARGV, '\n', 8, AFTER_QUEUES - 1) or ''
    }
    local arrival = call('HINCRBY', COUNTERS, 'arrival', '1')
    if arrival and note_sleeper(sleeper, int(arrival)) then return true end
  end
  if sleeper then end_sleep(ARGV[2], sleeper) end
  return false
end
