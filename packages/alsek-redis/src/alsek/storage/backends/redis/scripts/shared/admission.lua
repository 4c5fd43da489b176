-- Which messages limits let in.
-- Needs: effects enter header limits line_places lines set_aside waiting

local function name_of(own)
  local ids = {}
  for n, each in ipairs(own) do ids[n] = each.id end
  return table.concat(ids, ',')
end

local function take_places(own, uuid)
  for _, each in ipairs(own) do
    local limit = known_limits[each.id]
    limit.taken, limit.new[#limit.new + 1] = limit.taken + 1, uuid
  end
end

-- The first of these limits that has no room, or (unless it is the turn of the message) at which others wait; nil if all let it in.
local function first_full(own, its_turn)
  for _, each in ipairs(own) do
    local limit = counted(each.id, each)
    if not has_room(limit) or limit.waiting > 0 and not its_turn then return each.id end
  end
end

-- Whether all limits of a message let it in: then it takes up a place of each. Else it waits.
local function is_admitted(h, uuid, suspect, task)
  local own = limits_in(h.tail)
  local full = first_full(own)
  if full then wait_for_limit(full, name_of(own), h, uuid, suspect, task) else take_places(own, uuid) end
  return not full
end

-- The first message that waits at a limit: its member and priority, and its line; nil for the line if an older version let it
-- wait here. What another program has left of a line is put right, and answered by nil.
local function first_at(limit)
  local set = P .. 'waiting:' .. limit.id
  local entry, priority = unpack(call('ZRANGE', set, '0', '0', 'WITHSCORES'))
  if not entry then limit.waiting = 0 return end
  local name = string.match(entry, '^%d+\n(.*)$')
  if not name then return entry, priority end
  local line = line_named(name)
  if line.at == limit.id and entry_of(line) == entry then return line.head, line.priority, line end
  call('ZREM', set, entry)
  limit.waiting = limit.waiting - 1
  if line.head and not line.at then step_in(line, limit.id) end
end

-- Let in the first message that waits at this limit; or let its line stand at the limit that stops it.
local function admit_first(limit)
  local member, priority, line = first_at(limit)
  if not member then return end
  local uuid = string.sub(member, 14)
  local record, what = call('HGET', MESSAGES, uuid), call('HGET', WAITS, uuid) or ''
  local suspect, wish, queue, task = string.match(what, '^[^|]*|(%d)|(%w)|([^\n]*)\n(.*)$')
  -- A message whose record can't be read becomes ready, and is rejected when it is claimed.
  local h = record and parse(record) or queue and { wish = wish, queue = queue, tail = '' }
  local own = limits_in(h and h.tail or '')
  local full, name = record and first_full(own, true), name_of(own)
  local is_own_line = line and line.name == name
  if full and is_own_line and move_line(line, full) then return end
  if h then
    h.priority, h.arrival = priority, string.sub(member, 1, 13)
    leave_waiting(h, uuid, what)
  end
  if line and line.head == member then
    leave_line(line, member)
  elseif not line and call('ZREM', P .. 'waiting:' .. limit.id, member) == 1 then
    limit.waiting = limit.waiting - 1
  end
  if not record or not h then return end
  suspect, task = suspect == '1', task ~= '' and task
  if full and is_own_line then enter_delayed(h, uuid, NOW + BROKEN_PAUSE) -- where the line would stand is overwritten
  elseif full then wait_for_limit(full, name, h, uuid, suspect, task)
  else
    take_places(own, uuid)
    if task then enter_aside(h, uuid, suspect, task, true) else enter_ready(h, uuid, suspect, true) end
  end
end
