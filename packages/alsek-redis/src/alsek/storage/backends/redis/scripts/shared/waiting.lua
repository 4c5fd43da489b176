-- Transitions: a message begins to wait for a limit, or behind the holder of its unique key, and stops. `waits` is a hash:
-- uuid -> id of the limit|1 for a suspect, else 0|wish|queue, a line feed, the task for which it is set aside; or
-- u:key|until when it is delayed|wish|queue. waiting:<id> has those that wait for a limit, in the form of a ready set.
-- `waiting` is a hash: queue -> how many messages wait.
-- Needs: effects enter limits member
local WAITS, waiting_counts = P .. 'waits', {}

local function note_waiting(h, uuid, what)
  if not call('HSET', WAITS, uuid, what) then return false end
  waiting_counts[h.queue], unsettled = (waiting_counts[h.queue] or 0) + 1, true
  return true
end

-- Answers true; if another program has overwritten where it would wait, it is delayed, and tried again later: false.
local function wait_for_limit(id, h, uuid, suspect, task)
  local set, member = P .. 'waiting:' .. id, member_of(h, uuid)
  if call('ZADD', set, h.priority, member) then
    local place = '|' .. (suspect and '1' or '0') .. '|' .. h.wish .. '|' .. h.queue .. '\n'
    if note_waiting(h, uuid, id .. place .. (task or '')) then return true end
    call('ZREM', set, member)
  end
  enter_delayed(h, uuid, NOW + BROKEN_PAUSE)
  return false
end

local function wait_behind(key, h, uuid, due)
  local what = 'u:' .. key .. '|' .. int(due) .. '|' .. h.wish .. '|' .. h.queue
  if not note_waiting(h, uuid, what) then enter_delayed(h, uuid, NOW + BROKEN_PAUSE) end
end

-- `what` it waits for is its value in `waits`. Answers whether that is a limit.
local function leave_waiting(h, uuid, what)
  call('HDEL', WAITS, uuid)
  local id = string.match(what, '^([cr]:[^|]*)|')
  waiting_counts[h.queue], unsettled = (waiting_counts[h.queue] or 0) - 1, true
  if not id then return false end
  call('ZREM', P .. 'waiting:' .. id, member_of(h, uuid))
  local limit = noted(id)
  limit.waiting = limit.waiting and limit.waiting - 1
  return true
end

local function write_waiting_counts()
  for queue, change in pairs(waiting_counts) do
    local left = change ~= 0 and call('HINCRBY', P .. 'waiting', queue, int(change))
    if left and left <= 0 then call('HDEL', P .. 'waiting', queue) end
  end
  waiting_counts = {}
end
