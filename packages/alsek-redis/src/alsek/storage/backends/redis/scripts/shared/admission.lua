-- Which messages limits let in.
-- Needs: enter header limits set_aside waiting

-- Whether all limits of a message let it in: then it takes up a place of each. Else it waits for the first one that has no
-- room, or for which others wait; one whose turn it is does not heed these.
local function is_admitted(h, uuid, suspect, task, its_turn)
  local own = limits_in(h.tail)
  for n, each in ipairs(own) do
    local limit = counted(each.id, each)
    if not has_room(limit) or limit.waiting > 0 and not its_turn then
      if wait_for_limit(each.id, h, uuid, suspect, task) then limit.waiting = limit.waiting + 1 end
      return false
    end
    own[n] = limit
  end
  for _, limit in ipairs(own) do
    limit.taken, limit.new[#limit.new + 1] = limit.taken + 1, uuid
  end
  return true
end

-- Let in the first message that waits for this limit, or let it wait for another one.
local function admit_first(limit)
  local set = P .. 'waiting:' .. limit.id
  local first = call('ZRANGE', set, '0', '0', 'WITHSCORES')
  if not first[1] then
    limit.waiting = 0
    return
  end
  local uuid = string.sub(first[1], 14)
  local record, what = call('HGET', MESSAGES, uuid), call('HGET', WAITS, uuid) or ''
  local suspect, wish, queue, task = string.match(what, '^[^|]*|(%d)|(%w)|([^\n]*)\n(.*)$')
  -- A message whose record can't be read becomes ready, and is rejected when it is claimed.
  local h = record and parse(record) or queue and { wish = wish, queue = queue, tail = '' }
  if h then h.priority, h.arrival = first[2], string.sub(first[1], 1, 13) end
  if not h or not leave_waiting(h, uuid, what) then
    call('ZREM', set, first[1])
    limit.waiting = limit.waiting - 1
  end
  suspect, task = suspect == '1', task ~= '' and task
  if not record or not h or not is_admitted(h, uuid, suspect, task, true) then return end
  if task then enter_aside(h, uuid, suspect, task, true) else enter_ready(h, uuid, suspect, true) end
end
