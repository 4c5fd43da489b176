-- Transitions: a message begins to wait for a limit, or behind the holder of its unique key, and stops. `waits` is a hash:
-- uuid -> l:name of its line|1 for a suspect, else 0|wish|queue, a line feed, the task for which it is set aside; or
-- u:key|until when it is delayed|wish|queue. `waiting` is a hash: queue -> how many messages wait.
-- Needs: effects enter line_places lines member
local WAITS, waiting_counts = P .. 'waits', {}

local function note_waiting(h, uuid, what)
  if not call('HSET', WAITS, uuid, what) then return false end
  waiting_counts[h.queue], unsettled = (waiting_counts[h.queue] or 0) + 1, true
  return true
end

local function leave_line(line, member)
  call('ZREM', line.set, member)
  line_shrank(line, member)
end

-- A message that the limit `id` stops waits in the line of this name. If another program has overwritten where that is, it is
-- delayed, and tried again later.
local function wait_for_limit(id, name, h, uuid, suspect, task)
  local line, member = line_named(name), member_of(h, uuid)
  if call('ZADD', line.set, h.priority, member) then
    local place = '|' .. (suspect and '1' or '0') .. '|' .. h.wish .. '|' .. h.queue .. '\n'
    if line_grew(line, member, h.priority, id) and note_waiting(h, uuid, 'l:' .. name .. place .. (task or '')) then return end
    leave_line(line, member)
  end
  enter_delayed(h, uuid, NOW + BROKEN_PAUSE)
end

local function wait_behind(key, h, uuid, due)
  local what = 'u:' .. key .. '|' .. int(due) .. '|' .. h.wish .. '|' .. h.queue
  if not note_waiting(h, uuid, what) then enter_delayed(h, uuid, NOW + BROKEN_PAUSE) end
end

-- `what` it waits for is its value in `waits`; c:key| or r:key| if an older version let it wait for this limit itself.
local function leave_waiting(h, uuid, what)
  call('HDEL', WAITS, uuid)
  waiting_counts[h.queue], unsettled = (waiting_counts[h.queue] or 0) - 1, true
  local name = string.match(what, '^l:([^|]*)|')
  local id = not name and string.match(what, '^([cr]:[^|]*)|')
  if name then
    leave_line(line_named(name), member_of(h, uuid))
  elseif id and call('ZREM', P .. 'waiting:' .. id, member_of(h, uuid)) == 1 then
    count_line(id, -1)
  end
end

local function write_waiting_counts()
  for queue, change in pairs(waiting_counts) do
    local left = change ~= 0 and call('HINCRBY', P .. 'waiting', queue, int(change))
    if left and left <= 0 then call('HDEL', P .. 'waiting', queue) end
  end
  waiting_counts = {}
end
