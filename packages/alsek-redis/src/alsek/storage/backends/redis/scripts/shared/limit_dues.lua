-- When limits are to be looked at because time has passed: as a member 'limit:' id of the delayed messages.
-- Needs: effects first_due limits lines wakeups

-- Note a limit that is due, given its member.
local function come_due(member)
  local id = string.match(member, '^limit:(.*)$')
  if id then noted(id) end
end

-- When messages that wait for a limit may be let in: at once if it has room, else when a start leaves its window.
local function next_look(limit)
  if limit.waiting == 0 then return nil end
  if has_room(limit) then return NOW end
  local oldest = limit.starts > 0 and call('ZRANGE', P .. 'starts:' .. limit.id, '0', '0', 'WITHSCORES')[2]
  return oldest and oldest + limit.per
end

-- Wakes a worker if this is earlier than all that workers know of.
local function set_next_look(limit)
  local member, due = 'limit:' .. limit.id, next_look(limit)
  if due then
    call('ZADD', DELAYED, int(due), member)
    due_changed = true
    if not first_due or due < first_due then
      first_due = due
      local first = call('ZRANGE', P .. 'waiting:' .. limit.id, '0', '0')[1]
      local name = first and string.match(first, '^%d+\n(.*)$')
      first = name and line_named(name).head or first
      local what = first and call('HGET', P .. 'waits', string.sub(first, 14)) or ''
      local wish, queue = string.match(what, '^[^|]*|%d|(%w)|([^\n]*)\n')
      if wish then wake(token_lists(wish, queue)) end
    end
  elseif call('ZREM', DELAYED, member) == 1 then
    due_changed = true
  end
end
